// SPDX-License-Identifier: Apache-2.0
// The keys of the configuration, in the order in which they are printed.
#include "wash/config_impl.h"

#define AT(type, member) offsetof(struct type, member)

static const struct field environment_fields[] = {
    {"config", FIELD_STRING_MAP, AT(config_environment, config)},
    {"configFrom", FIELD_STRINGS, AT(config_environment, config_from)},
    {"secretFrom", FIELD_STRINGS, AT(config_environment, secret_from)},
};
static const struct record environment_record =
    RECORD(struct config_environment, environment_fields);

static const struct field build_fields[] = {
    {"command", FIELD_STRING, AT(config_build, command)},
    {"env", FIELD_STRING_MAP, AT(config_build, env)},
    {"component_path", FIELD_STRING, AT(config_build, component_path)},
};
static const struct record build_record = RECORD(struct config_build, build_fields);

#define COUNT_MAX INT32_MAX

static const struct field component_fields[] = {
    {"name", FIELD_STRING, AT(config_component, name), FIELD_REQUIRED},
    {"file", FIELD_STRING, AT(config_component, file), FIELD_REQUIRED},
    {"environment", FIELD_RECORD, AT(config_component, environment), .record = &environment_record},
    {"config", FIELD_STRING_MAP, AT(config_component, config)},
    {"allowedHosts", FIELD_STRINGS, AT(config_component, allowed_hosts), FIELD_NOT_NULL},
    {"allowedIpNameLookups", FIELD_STRINGS, AT(config_component, allowed_ip_name_lookups),
     FIELD_NOT_NULL},
    {"poolSize", FIELD_INT, AT(config_component, pool_size), .max = COUNT_MAX},
    {"maxInvocations", FIELD_INT, AT(config_component, max_invocations), .max = COUNT_MAX},
    {"maxConcurrency", FIELD_INT, AT(config_component, max_concurrency), .max = COUNT_MAX},
};
static const struct record component_record = RECORD(struct config_component, component_fields);

static const struct field volume_fields[] = {
    {"host_path", FIELD_STRING, AT(config_volume, host_path), FIELD_REQUIRED},
    {"guest_path", FIELD_STRING, AT(config_volume, guest_path), FIELD_REQUIRED},
};
static const struct record volume_record = RECORD(struct config_volume, volume_fields);

static const struct field interface_fields[] = {
    {"namespace", FIELD_STRING, AT(config_interface, namespace_), FIELD_REQUIRED},
    {"package", FIELD_STRING, AT(config_interface, package), FIELD_REQUIRED},
    {"interfaces", FIELD_STRINGS, AT(config_interface, interfaces), FIELD_REQUIRED | FIELD_ALWAYS},
    {"config", FIELD_STRING_MAP, AT(config_interface, config), FIELD_REQUIRED | FIELD_ALWAYS},
    {"version", FIELD_STRING, AT(config_interface, version)},
    {"name", FIELD_STRING, AT(config_interface, name)},
};
static const struct record interface_record = RECORD(struct config_interface, interface_fields);

static const struct field dev_fields[] = {
    {"command", FIELD_STRING, AT(config_dev, command)},
    {"component_path", FIELD_STRING, AT(config_dev, component_path)},
    {"address", FIELD_STRING, AT(config_dev, address)},
    {"service", FIELD_BOOL, AT(config_dev, service), FIELD_ALWAYS},
    {"service_file", FIELD_STRING, AT(config_dev, service_file)},
    {"components", FIELD_RECORDS, AT(config_dev, components), .record = &component_record},
    {"volumes", FIELD_RECORDS, AT(config_dev, volumes), .record = &volume_record},
    {"environment", FIELD_STRING_MAP, AT(config_dev, environment)},
    {"host_interfaces", FIELD_RECORDS, AT(config_dev, host_interfaces),
     .record = &interface_record},
    {"tls_cert_path", FIELD_STRING, AT(config_dev, tls_cert_path)},
    {"tls_key_path", FIELD_STRING, AT(config_dev, tls_key_path)},
    {"tls_ca_path", FIELD_STRING, AT(config_dev, tls_ca_path)},
    {"wasi_webgpu", FIELD_BOOL, AT(config_dev, wasi_webgpu), FIELD_ALWAYS},
    {"data_nats_url", FIELD_STRING, AT(config_dev, data_nats_url)},
    {"wasi_keyvalue_redis_url", FIELD_STRING, AT(config_dev, wasi_keyvalue_redis_url)},
    {"wasi_keyvalue_path", FIELD_STRING, AT(config_dev, wasi_keyvalue_path)},
    {"wasi_keyvalue_nats_url", FIELD_STRING, AT(config_dev, wasi_keyvalue_nats_url)},
    {"wasi_blobstore_path", FIELD_STRING, AT(config_dev, wasi_blobstore_path)},
    {"postgres_url", FIELD_STRING, AT(config_dev, postgres_url)},
    {"wasi_otel", FIELD_BOOL, AT(config_dev, wasi_otel), FIELD_ALWAYS},
    {"wasip3", FIELD_BOOL, AT(config_dev, wasip3), FIELD_ALWAYS},
};
static const struct record dev_record = RECORD(struct config_dev, dev_fields);

static const struct field new_fields[] = {
    {"command", FIELD_STRING, AT(config_new, command)},
};
static const struct record new_record = RECORD(struct config_new, new_fields);

static const struct field workload_fields[] = {
    {"environment", FIELD_RECORD, AT(config_workload, environment), .record = &environment_record},
    {"config", FIELD_STRING_MAP, AT(config_workload, config)},
    {"allowedHosts", FIELD_STRINGS, AT(config_workload, allowed_hosts),
     FIELD_NOT_NULL | FIELD_ALWAYS},
    {"allowedIpNameLookups", FIELD_STRINGS, AT(config_workload, allowed_ip_name_lookups),
     FIELD_NOT_NULL},
};
static const struct record workload_record = RECORD(struct config_workload, workload_fields);

static const struct field source_fields[] = {
    {"inline", FIELD_STRING_MAP, AT(config_source, inline_)},
    {"file", FIELD_STRING, AT(config_source, file)},
    {"dir", FIELD_STRING, AT(config_source, dir)},
    {"fromEnv", FIELD_STRINGS, AT(config_source, from_env)},
};
static const struct record source_record = RECORD(struct config_source, source_fields);

static const struct field registry_fields[] = {
    {"url", FIELD_STRING, AT(config_registry, url), FIELD_REQUIRED},
    {"username", FIELD_STRING, AT(config_registry, username)},
    {"token", FIELD_STRING, AT(config_registry, token)},
};
static const struct record registry_record = RECORD(struct config_registry, registry_fields);

static const struct field wit_fields[] = {
    {"registries", FIELD_RECORDS, AT(config_wit, registries), FIELD_ALWAYS, &registry_record},
    {"skip_fetch", FIELD_BOOL, AT(config_wit, skip_fetch), FIELD_ALWAYS},
    {"wit_dir", FIELD_STRING, AT(config_wit, wit_dir), FIELD_ALWAYS},
    {"sources", FIELD_STRING_MAP, AT(config_wit, sources), FIELD_ALWAYS},
};
static const struct record wit_record = RECORD(struct config_wit, wit_fields);

static const struct field config_fields[] = {
    {"version", FIELD_STRING, AT(config, version), FIELD_ANY_SCALAR},
    {"build", FIELD_RECORD, AT(config, build), .record = &build_record},
    {"dev", FIELD_RECORD, AT(config, dev), .record = &dev_record},
    {"new", FIELD_RECORD, AT(config, new_), .record = &new_record},
    {"workload", FIELD_RECORD, AT(config, workload), .record = &workload_record},
    {"configs", FIELD_RECORD_MAP, AT(config, configs), .record = &source_record},
    {"secrets", FIELD_RECORD_MAP, AT(config, secrets), .record = &source_record},
    {"wit", FIELD_RECORD, AT(config, wit), .record = &wit_record},
};
const struct record config_record = RECORD(struct config, config_fields);

struct tree *config_print(const struct config *config)
{
    return record_print(&config_record, config);
}
