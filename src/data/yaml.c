// SPDX-License-Identifier: Apache-2.0
#include "data/yaml.h"

#include <errno.h>
#include <yaml.h>

#include "base/map.h"
#include "data/impl.h"
#include "data/scalar.h"

struct yaml_frame {
    struct tree *container; // owned by its parent, the root by the reader
    bool has_key;
    struct str key; // of the value to come; heap
    size_t mark;    // length of the container's path
    char *anchor;
};

struct yaml_anchor {
    char *name;
    struct tree *tree;
};

struct yaml_reader {
    yaml_parser_t parser;
    const char *file;
    struct tree_source *source;
    struct error *err;
    struct tree *root;
    struct yaml_frame frames[TREE_DEPTH_MAX];
    size_t depth;
    struct tree_path path;
    struct yaml_anchor anchors[YAML_ANCHORS_MAX];
    size_t anchor_count;
    size_t nodes;
};

static int fail(struct yaml_reader *reader, const yaml_mark_t *mark, const char *what)
{
    return error_set(reader->err, -EINVAL, "%s:%zu:%zu: %s", reader->file, mark->line + 1,
                     mark->column + 1, what);
}

static size_t count_nodes(const struct tree *tree)
{
    size_t count = 1;
    if (tree_kind(tree) == TREE_LIST)
        for (size_t i = 0; i < tree_len(tree); i++)
            count += count_nodes(tree_at(tree, i));
    if (tree_kind(tree) == TREE_MAP)
        for (void *at = tree_first(tree); at; at = tree_next(tree, at))
            count += count_nodes(tree_value(at));
    return count;
}

static size_t height(const struct tree *tree)
{
    size_t tallest = 0, child;
    if (tree_kind(tree) == TREE_LIST)
        for (size_t i = 0; i < tree_len(tree); i++, tallest = MAX(tallest, child))
            child = height(tree_at(tree, i));
    else if (tree_kind(tree) == TREE_MAP)
        for (void *at = tree_first(tree); at;
             at = tree_next(tree, at), tallest = MAX(tallest, child))
            child = height(tree_value(at));
    else
        return 0;
    return tallest + 1;
}

static int remember_anchor(struct yaml_reader *reader, const char *name, struct tree *tree,
                           const yaml_mark_t *mark)
{
    if (!name)
        return 0;
    for (size_t i = 0; i < reader->anchor_count; i++) {
        if (strcmp(reader->anchors[i].name, name) == 0) {
            reader->anchors[i].tree = tree;
            return 0;
        }
    }
    if (reader->anchor_count == YAML_ANCHORS_MAX)
        return fail(reader, mark, "more than 1000 anchors");
    reader->anchors[reader->anchor_count++] = (struct yaml_anchor){mem_strdup(name), tree};
    return 0;
}

// Puts a value where the reader stands; takes the reference.
static int place_value(struct yaml_reader *reader, struct tree *tree, const yaml_mark_t *mark)
{
    if (++reader->nodes > TREE_NODES_MAX) {
        tree_unref(tree);
        return fail(reader, mark, "the document has too many values");
    }
    struct yaml_frame *frame = reader->depth ? &reader->frames[reader->depth - 1] : NULL;
    if (!frame) {
        reader->root = tree;
    } else if (tree_kind(frame->container) == TREE_LIST) {
        tree_path_push_index(&reader->path, tree_len(frame->container));
        tree_append(frame->container, tree);
    } else {
        tree_path_push_key(&reader->path, frame->key);
        tree_put(frame->container, frame->key, tree);
        free((char *)(uintptr_t)frame->key.data);
        frame->has_key = false;
    }
    tree_source_put(
        reader->source, buf_str(&reader->path.text),
        (struct tree_place){reader->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1});
    return 0;
}

static void leave_value(struct yaml_reader *reader)
{
    reader->path.text.len = reader->depth ? reader->frames[reader->depth - 1].mark : 0;
}

static bool wants_key(const struct yaml_reader *reader)
{
    if (reader->depth == 0)
        return false;
    const struct yaml_frame *frame = &reader->frames[reader->depth - 1];
    return tree_kind(frame->container) == TREE_MAP && !frame->has_key;
}

static int take_key(struct yaml_reader *reader, struct str text, const yaml_mark_t *mark)
{
    struct yaml_frame *frame = &reader->frames[reader->depth - 1];
    if (tree_get(frame->container, text)) {
        _cleanup_(mem_freep) char *what =
            mem_printf("duplicate key \"%.*s\"", (int)MIN(text.len, 200), text.data);
        return fail(reader, mark, what);
    }
    frame->key = str_of(str_dup(text), text.len);
    frame->has_key = true;
    return 0;
}

static struct tree *tagged_scalar(const char *tag, struct str text, const char **problem)
{
    static const struct {
        const char *tag;
        enum tree_kind kind;
    } tags[] = {{YAML_NULL_TAG, TREE_NULL},
                {YAML_BOOL_TAG, TREE_BOOL},
                {YAML_INT_TAG, TREE_INT},
                {YAML_FLOAT_TAG, TREE_REAL}};
    if (strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0)
        return tree_string(text);
    *problem = "unsupported tag";
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (strcmp(tag, tags[i].tag) != 0)
            continue;
        struct tree *tree = yaml_plain_scalar(text);
        enum tree_kind kind = tree ? tree_kind(tree) : TREE_STRING;
        if (kind == tags[i].kind || (kind == TREE_INT && tags[i].kind == TREE_REAL))
            return tree;
        tree_unref(tree);
        *problem = "the value does not fit its tag";
    }
    return NULL;
}

static int on_scalar(struct yaml_reader *reader, const yaml_event_t *event)
{
    struct str text = str_of((const char *)event->data.scalar.value, event->data.scalar.length);
    const yaml_mark_t *mark = &event->start_mark;
    const char *anchor = (const char *)event->data.scalar.anchor;
    if (wants_key(reader))
        return anchor ? fail(reader, mark, "anchors on keys are not supported")
                      : take_key(reader, text, mark);
    const char *problem = "a number that is not finite";
    const char *tag = (const char *)event->data.scalar.tag;
    struct tree *tree;
    if (tag)
        tree = tagged_scalar(tag, text, &problem);
    else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        tree = yaml_plain_scalar(text);
    else
        tree = tree_string(text);
    if (!tree)
        return fail(reader, mark, problem);
    int rc = place_value(reader, tree, mark);
    if (rc == 0)
        rc = remember_anchor(reader, anchor, tree, mark);
    leave_value(reader);
    return rc;
}

static int on_alias(struct yaml_reader *reader, const yaml_event_t *event)
{
    const yaml_mark_t *mark = &event->start_mark;
    if (wants_key(reader))
        return fail(reader, mark, "aliases as keys are not supported");
    struct tree *found = NULL;
    for (size_t i = 0; i < reader->anchor_count; i++)
        if (strcmp(reader->anchors[i].name, (const char *)event->data.alias.anchor) == 0)
            found = reader->anchors[i].tree;
    if (!found)
        return fail(reader, mark, "alias of an unknown or unfinished anchor");
    reader->nodes += count_nodes(found);
    if (reader->nodes > TREE_NODES_MAX)
        return fail(reader, mark, "the document has too many values when aliases are expanded");
    if (reader->depth + height(found) > TREE_DEPTH_MAX)
        return fail(reader, mark, "nested deeper than 64 levels when aliases are expanded");
    int rc = place_value(reader, tree_copy(found), mark);
    leave_value(reader);
    return rc;
}

static int on_start(struct yaml_reader *reader, const yaml_event_t *event, bool is_map)
{
    const yaml_mark_t *mark = &event->start_mark;
    const char *anchor = (const char *)(is_map ? event->data.mapping_start.anchor
                                               : event->data.sequence_start.anchor);
    const char *tag =
        (const char *)(is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
    if (wants_key(reader))
        return fail(reader, mark, "a key must be a scalar");
    if (tag && strcmp(tag, is_map ? YAML_MAP_TAG : YAML_SEQ_TAG) != 0)
        return fail(reader, mark, "unsupported tag");
    if (reader->depth == TREE_DEPTH_MAX)
        return fail(reader, mark, "nested deeper than 64 levels");
    struct tree *tree = is_map ? tree_map() : tree_list();
    int rc = place_value(reader, tree, mark);
    if (rc < 0)
        return rc;
    reader->frames[reader->depth++] =
        (struct yaml_frame){.container = tree,
                            .mark = reader->path.text.len,
                            .anchor = anchor ? mem_strdup(anchor) : NULL};
    return 0;
}

static int on_end(struct yaml_reader *reader, const yaml_event_t *event)
{
    struct yaml_frame *frame = &reader->frames[--reader->depth];
    _cleanup_(mem_freep) char *anchor = frame->anchor;
    int rc = remember_anchor(reader, anchor, frame->container, &event->start_mark);
    leave_value(reader);
    return rc;
}

static int on_event(struct yaml_reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event);
    case YAML_ALIAS_EVENT:
        return on_alias(reader, event);
    case YAML_MAPPING_START_EVENT:
        return on_start(reader, event, true);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(reader, event, false);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        return on_end(reader, event);
    case YAML_DOCUMENT_START_EVENT:
        return reader->root ? fail(reader, &event->start_mark, "more than one document") : 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return 0;
}

static int read_events(struct yaml_reader *reader)
{
    bool is_end = false;
    int rc = 0;
    while (rc == 0 && !is_end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event)) {
            const yaml_mark_t *mark = &reader->parser.problem_mark;
            return fail(reader, mark,
                        reader->parser.problem ? reader->parser.problem : "malformed");
        }
        is_end = event.type == YAML_STREAM_END_EVENT;
        rc = on_event(reader, &event);
        yaml_event_delete(&event);
    }
    return rc;
}

static void reader_done(struct yaml_reader *reader)
{
    for (size_t i = 0; i < reader->depth; i++) {
        free(reader->frames[i].anchor);
        if (reader->frames[i].has_key)
            free((char *)(uintptr_t)reader->frames[i].key.data);
    }
    for (size_t i = 0; i < reader->anchor_count; i++)
        free(reader->anchors[i].name);
    buf_done(&reader->path.text);
    tree_unref(reader->root);
    yaml_parser_delete(&reader->parser);
    free(reader);
}

int yaml_parse(struct str text, const char *file, struct tree **out, struct tree_source *source,
               struct error *err)
{
    if (text.len > TREE_BYTES_MAX)
        return error_set(err, -EFBIG, "%s: %zu bytes, the limit is %zu", file, text.len,
                         TREE_BYTES_MAX);
    struct yaml_reader *reader = mem_new(struct yaml_reader);
    if (!yaml_parser_initialize(&reader->parser))
        die_oom(sizeof(*reader));
    yaml_parser_set_input_string(&reader->parser,
                                 (const unsigned char *)(text.data ? text.data : ""), text.len);
    reader->file = file;
    reader->source = source;
    reader->err = err;
    reader->path.text = BUF_INIT(TREE_PATH_BYTES_MAX);
    int rc = read_events(reader);
    if (rc == 0)
        *out = reader->root ? TAKE(reader->root) : tree_null();
    reader_done(reader);
    return rc;
}
