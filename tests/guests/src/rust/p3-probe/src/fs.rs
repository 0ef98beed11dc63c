//! wasi:filesystem in a folder that is empty at first.
use crate::Log;
use wasip3::clocks::system_clock::Instant;
use wasip3::filesystem::preopens;
use wasip3::filesystem::types::{
    Advice, Descriptor, DescriptorFlags as Flags, DescriptorType, ErrorCode, NewTimestamp,
    OpenFlags as Open, PathFlags,
};
use wasip3::wit_stream;

const NONE: PathFlags = PathFlags::empty();
const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;

async fn open(
    dir: &Descriptor,
    path: &str,
    how: Open,
    flags: Flags,
) -> Result<Descriptor, ErrorCode> {
    dir.open_at(NONE, path.to_string(), how, flags).await
}

/// Only whether it was opened, and the flags that it shows.
async fn opens(dir: &Descriptor, path: &str, how: Open, flags: Flags) -> Result<Flags, ErrorCode> {
    open(dir, path, how, flags).await?.get_flags().await
}

async fn put(file: &Descriptor, data: &[u8], offset: u64) -> Result<(), ErrorCode> {
    let (mut tx, rx) = wit_stream::new();
    let done = file.write_via_stream(rx, offset);
    tx.write_all(data.to_vec()).await;
    drop(tx);
    done.await
}

async fn append(file: &Descriptor, data: &[u8]) -> Result<(), ErrorCode> {
    let (mut tx, rx) = wit_stream::new();
    let done = file.append_via_stream(rx);
    tx.write_all(data.to_vec()).await;
    drop(tx);
    done.await
}

async fn get(file: &Descriptor, offset: u64) -> Result<String, ErrorCode> {
    let (rx, done) = file.read_via_stream(offset);
    let data = rx.collect().await;
    done.await?;
    Ok(String::from_utf8_lossy(&data).into_owned())
}

async fn make(dir: &Descriptor, path: &str, data: &str) {
    let file = open(dir, path, Open::CREATE, Flags::READ | Flags::WRITE)
        .await
        .expect(path);
    put(&file, data.as_bytes(), 0).await.expect(path);
}

async fn list(dir: &Descriptor) -> Result<Vec<(String, DescriptorType)>, ErrorCode> {
    let (rx, done) = dir.read_directory();
    let mut all: Vec<_> = rx
        .collect()
        .await
        .into_iter()
        .map(|e| (e.name, e.type_))
        .collect();
    done.await?;
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

async fn opening(log: &mut Log, dir: &Descriptor) {
    let all = [
        ("none", Open::empty()),
        ("create", Open::CREATE),
        ("exclusive", Open::EXCLUSIVE),
        ("truncate", Open::TRUNCATE),
        ("directory", Open::DIRECTORY),
        ("create exclusive", Open::CREATE | Open::EXCLUSIVE),
        ("create truncate", Open::CREATE | Open::TRUNCATE),
        ("directory create", Open::DIRECTORY | Open::CREATE),
        ("directory exclusive", Open::DIRECTORY | Open::EXCLUSIVE),
        ("directory truncate", Open::DIRECTORY | Open::TRUNCATE),
        ("exclusive truncate", Open::EXCLUSIVE | Open::TRUNCATE),
    ];
    let flags = [
        ("-", Flags::empty()),
        ("r", Flags::READ),
        ("w", Flags::WRITE),
        ("rw", Flags::READ | Flags::WRITE),
        ("m", Flags::MUTATE_DIRECTORY),
        ("rm", Flags::READ | Flags::MUTATE_DIRECTORY),
    ];
    for (how_name, how) in all {
        for (flag_name, flag) in flags {
            for path in [
                "file", "dir", "missing", "file/", "dir/", "missing/", "link", "dirlink",
                "dangling",
            ] {
                let answer = opens(dir, path, how, flag).await;
                log.line(&format!("open {path} [{how_name}] {flag_name}"), answer);
                let _ = dir.unlink_file_at("missing".to_string()).await;
                let _ = dir.unlink_file_at("nowhere".to_string()).await;
            }
        }
    }
    for path in [
        "link",
        "dirlink",
        "dangling",
        "loop",
        "dirlink/inner",
        "up",
        "absolute",
    ] {
        log.line(
            &format!("open {path} following"),
            dir.open_at(FOLLOW, path.to_string(), Open::empty(), Flags::READ)
                .await
                .map(drop),
        );
        log.line(
            &format!("create {path} following"),
            dir.open_at(FOLLOW, path.to_string(), Open::CREATE, Flags::WRITE)
                .await
                .map(drop),
        );
    }
    let _ = dir.unlink_file_at("nowhere".to_string()).await;
}

async fn paths(log: &mut Log, dir: &Descriptor) {
    let long = "x".repeat(300);
    let deep = "d/".repeat(3000);
    let all = [
        "",
        ".",
        "..",
        "/",
        "/file",
        "./file",
        "dir/..",
        "dir/../..",
        "dir/../file",
        "../dir/file",
        "file/..",
        "file/.",
        "dir//inner",
        "dir/./inner",
        "dir/inner/",
        "missing/..",
        "missing/../file",
        "nul\0nul",
        "\u{e9}\u{1f600}",
        "dirlink/..",
        "dirlink/../file",
        "loop",
        "loop/x",
        &long,
        &deep,
    ];
    for path in all {
        let name = if path.len() > 30 { &path[..4] } else { path };
        let text = path.to_string();
        log.line(
            &format!("stat {name:?}"),
            dir.stat_at(NONE, text.clone()).await.map(|s| s.type_),
        );
        log.line(
            &format!("stat {name:?} following"),
            dir.stat_at(FOLLOW, text.clone()).await.map(|s| s.type_),
        );
        log.line(
            &format!("open {name:?}"),
            opens(dir, path, Open::empty(), Flags::READ).await,
        );
        log.line(
            &format!("mkdir {name:?}"),
            dir.create_directory_at(text.clone()).await,
        );
        if !["file", "dir//inner", "dir/./inner", "./file", "dir/../file"].contains(&path) {
            log.line(
                &format!("rmdir {name:?}"),
                dir.remove_directory_at(text.clone()).await,
            );
            log.line(
                &format!("unlink {name:?}"),
                dir.unlink_file_at(text.clone()).await,
            );
        }
        log.line(
            &format!("readlink {name:?}"),
            dir.readlink_at(text.clone()).await,
        );
        log.line(
            &format!("hash {name:?}"),
            dir.metadata_hash_at(NONE, text.clone()).await.map(drop),
        );
        log.line(
            &format!("times {name:?}"),
            dir.set_times_at(
                NONE,
                text.clone(),
                NewTimestamp::NoChange,
                NewTimestamp::NoChange,
            )
            .await,
        );
        log.line(
            &format!("rename {name:?}"),
            dir.rename_at(text.clone(), dir, "renamed".to_string())
                .await,
        );
        let _ = dir
            .rename_at("renamed".to_string(), dir, text.clone())
            .await;
        log.line(
            &format!("rename to {name:?}"),
            dir.rename_at("moving".to_string(), dir, text.clone()).await,
        );
        let _ = dir.rename_at(text.clone(), dir, "moving".to_string()).await;
        log.line(
            &format!("link {name:?}"),
            dir.link_at(NONE, text.clone(), dir, "linked".to_string())
                .await,
        );
        let _ = dir.unlink_file_at("linked".to_string()).await;
        log.line(
            &format!("link to {name:?}"),
            dir.link_at(NONE, "moving".to_string(), dir, text.clone())
                .await,
        );
        if !["file", "dir/inner", "./file", "dir/../file"].contains(&path) {
            let _ = dir.unlink_file_at(text.clone()).await;
        }
        log.line(
            &format!("symlink at {name:?}"),
            dir.symlink_at("target".to_string(), text.clone()).await,
        );
        if matches!(dir.readlink_at(text.clone()).await.as_deref(), Ok("target")) {
            let _ = dir.unlink_file_at(text).await;
        }
        for fixed in ["file", "moving", "dir/inner"] {
            if dir.stat_at(NONE, fixed.to_string()).await.is_err() {
                log.line("lost", fixed);
                make(dir, fixed, "content").await;
            }
        }
        if dir.stat_at(NONE, "dir".to_string()).await.is_err() {
            log.line("lost", "dir");
        }
    }
    for target in ["/", "/etc/passwd", "..", "", "a/../../b", "nul\0"] {
        log.line(
            &format!("symlink to {target:?}"),
            dir.symlink_at(target.to_string(), "s".to_string()).await,
        );
        log.line(
            &format!("stat through {target:?}"),
            dir.stat_at(FOLLOW, "s".to_string()).await.map(|s| s.type_),
        );
        log.line(
            &format!("readlink {target:?}"),
            dir.readlink_at("s".to_string()).await,
        );
        let _ = dir.unlink_file_at("s".to_string()).await;
    }
    for name in ["up", "absolute"] {
        log.line(
            &format!("readlink {name}"),
            dir.readlink_at(name.to_string()).await,
        );
        log.line(
            &format!("stat {name}/x"),
            dir.stat_at(FOLLOW, format!("{name}/x")).await.map(drop),
        );
        log.line(
            &format!("mkdir {name}/x"),
            dir.create_directory_at(format!("{name}/x")).await,
        );
    }
}

async fn changing(log: &mut Log, dir: &Descriptor) {
    let sub = open(
        dir,
        "dir",
        Open::DIRECTORY,
        Flags::READ | Flags::MUTATE_DIRECTORY,
    )
    .await
    .unwrap();
    let at = |s: &str| s.to_string();
    log.line("mkdir existing", dir.create_directory_at(at("dir")).await);
    log.line("mkdir over file", dir.create_directory_at(at("file")).await);
    log.line(
        "mkdir below file",
        dir.create_directory_at(at("file/x")).await,
    );
    log.line(
        "mkdir below missing",
        dir.create_directory_at(at("missing/x")).await,
    );
    log.line("mkdir slash", dir.create_directory_at(at("made/")).await);
    log.line("rmdir slash", dir.remove_directory_at(at("made/")).await);
    log.line("rmdir full", dir.remove_directory_at(at("dir")).await);
    log.line("rmdir file", dir.remove_directory_at(at("file")).await);
    log.line("rmdir link", dir.remove_directory_at(at("dirlink")).await);
    log.line(
        "rmdir link slash",
        dir.remove_directory_at(at("dirlink/")).await,
    );
    log.line(
        "rmdir missing",
        dir.remove_directory_at(at("missing")).await,
    );
    log.line("unlink dir", dir.unlink_file_at(at("dir")).await);
    log.line("unlink dir slash", dir.unlink_file_at(at("dir/")).await);
    log.line("unlink file slash", dir.unlink_file_at(at("file/")).await);
    log.line("unlink missing", dir.unlink_file_at(at("missing")).await);
    log.line(
        "link dir",
        dir.link_at(NONE, at("dir"), dir, at("hard")).await,
    );
    log.line(
        "link over",
        dir.link_at(NONE, at("file"), dir, at("moving")).await,
    );
    log.line(
        "link itself",
        dir.link_at(NONE, at("file"), dir, at("file")).await,
    );
    log.line(
        "link missing",
        dir.link_at(NONE, at("missing"), dir, at("hard")).await,
    );
    log.line(
        "link slash",
        dir.link_at(NONE, at("file"), dir, at("hard/")).await,
    );
    log.line(
        "link into sub",
        dir.link_at(NONE, at("file"), &sub, at("hard")).await,
    );
    log.line(
        "links",
        dir.stat_at(NONE, at("file")).await.map(|s| s.link_count),
    );
    log.line("unlink in sub", sub.unlink_file_at(at("hard")).await);
    log.line(
        "link symlink",
        dir.link_at(NONE, at("link"), dir, at("hard")).await,
    );
    log.line(
        "its type",
        dir.stat_at(NONE, at("hard")).await.map(|s| s.type_),
    );
    let _ = dir.unlink_file_at(at("hard")).await;
    log.line(
        "link symlink following",
        dir.link_at(FOLLOW, at("link"), dir, at("hard")).await,
    );
    let _ = dir.unlink_file_at(at("hard")).await;
    log.line(
        "link dangling",
        dir.link_at(NONE, at("dangling"), dir, at("hard")).await,
    );
    let _ = dir.unlink_file_at(at("hard")).await;
    log.line(
        "rename over file",
        dir.rename_at(at("moving"), dir, at("other")).await,
    );
    log.line(
        "rename back",
        dir.rename_at(at("other"), dir, at("moving")).await,
    );
    log.line(
        "rename itself",
        dir.rename_at(at("file"), dir, at("file")).await,
    );
    log.line(
        "rename file over dir",
        dir.rename_at(at("file"), dir, at("dir")).await,
    );
    log.line(
        "rename dir over file",
        dir.rename_at(at("dir"), dir, at("file")).await,
    );
    log.line(
        "rename dir into itself",
        dir.rename_at(at("dir"), dir, at("dir/inside")).await,
    );
    log.line(
        "rename file slash",
        dir.rename_at(at("file"), dir, at("other/")).await,
    );
    log.line(
        "rename from slash",
        dir.rename_at(at("file/"), dir, at("other")).await,
    );
    log.line(
        "rename dir slash",
        dir.rename_at(at("dir/"), dir, at("other/")).await,
    );
    log.line(
        "rename dir back",
        dir.rename_at(at("other"), dir, at("dir")).await,
    );
    log.line(
        "rename into sub",
        dir.rename_at(at("moving"), &sub, at("moved")).await,
    );
    log.line(
        "rename out",
        sub.rename_at(at("moved"), dir, at("moving")).await,
    );
    log.line(
        "rename missing",
        dir.rename_at(at("missing"), dir, at("x")).await,
    );
    log.line("rename dot", dir.rename_at(at("."), dir, at("x")).await);
    log.line("symlink over", dir.symlink_at(at("x"), at("file")).await);
    log.line("symlink slash", dir.symlink_at(at("x"), at("made/")).await);
    log.line(
        "sub escape",
        sub.stat_at(NONE, at("../file")).await.map(drop),
    );
    log.line("same", dir.is_same_object(dir).await);
    log.line("other", dir.is_same_object(&sub).await);
}

async fn files(log: &mut Log, dir: &Descriptor) {
    make(dir, "data", "0123456789").await;
    let rw = open(dir, "data", Open::empty(), Flags::READ | Flags::WRITE)
        .await
        .unwrap();
    let r = open(dir, "data", Open::empty(), Flags::READ).await.unwrap();
    let w = open(dir, "data", Open::empty(), Flags::WRITE)
        .await
        .unwrap();
    let d = open(dir, "dir", Open::DIRECTORY, Flags::READ)
        .await
        .unwrap();
    for (name, file) in [("rw", &rw), ("r", &r), ("w", &w), ("d", &d)] {
        log.line(&format!("{name} type"), file.get_type().await);
        log.line(&format!("{name} read"), get(file, 3).await);
        log.line(&format!("{name} read at end"), get(file, 10).await);
        log.line(&format!("{name} read beyond"), get(file, 1000).await);
        log.line(&format!("{name} read far"), get(file, u64::MAX).await);
        log.line(&format!("{name} write"), put(file, b"ab", 4).await);
        log.line(&format!("{name} write nothing"), put(file, b"", 0).await);
        log.line(
            &format!("{name} write far"),
            put(file, b"x", u64::MAX).await,
        );
        log.line(
            &format!("{name} write at the last offset"),
            put(file, b"x", i64::MAX as u64).await,
        );
        log.line(&format!("{name} append"), append(file, b"+").await);
        log.line(
            &format!("{name} size"),
            file.stat().await.map(|s| {
                if matches!(s.type_, DescriptorType::Directory) {
                    0
                } else {
                    s.size
                }
            }),
        );
        log.line(&format!("{name} set-size"), file.set_size(10).await);
        log.line(
            &format!("{name} set-size far"),
            file.set_size(u64::MAX).await,
        );
        log.line(
            &format!("{name} advise"),
            file.advise(0, 10, Advice::Sequential).await,
        );
        log.line(
            &format!("{name} advise far"),
            file.advise(u64::MAX, 1, Advice::Normal).await,
        );
        log.line(
            &format!("{name} advise long"),
            file.advise(1, u64::MAX, Advice::WillNeed).await,
        );
        log.line(&format!("{name} sync"), file.sync().await);
        log.line(&format!("{name} sync-data"), file.sync_data().await);
        let time = |seconds, nanoseconds| {
            NewTimestamp::Timestamp(Instant {
                seconds,
                nanoseconds,
            })
        };
        log.line(
            &format!("{name} times"),
            file.set_times(time(1000, 5), time(-7, 9)).await,
        );
        log.line(
            &format!("{name} its times"),
            file.stat().await.map(|s| {
                [s.data_access_timestamp, s.data_modification_timestamp]
                    .map(|t| t.unwrap().seconds.min(9999))
            }),
        );
        log.line(
            &format!("{name} bad time"),
            file.set_times(time(1, 1_000_000_000), NewTimestamp::Now)
                .await,
        );
        log.line(
            &format!("{name} times now"),
            file.set_times(NewTimestamp::Now, NewTimestamp::NoChange)
                .await,
        );
        log.line(&format!("{name} list"), list(file).await);
        log.line(
            &format!("{name} stat-at"),
            file.stat_at(NONE, ".".to_string()).await.map(|s| s.type_),
        );
        log.line(
            &format!("{name} open-at"),
            opens(file, "x", Open::empty(), Flags::READ).await,
        );
        log.line(
            &format!("{name} mkdir"),
            file.create_directory_at("x".to_string()).await,
        );
        log.line(
            &format!("{name} unlink"),
            file.unlink_file_at("x".to_string()).await,
        );
        log.line(
            &format!("{name} rename"),
            file.rename_at("x".to_string(), dir, "y".to_string()).await,
        );
        log.line(
            &format!("{name} rename to"),
            dir.rename_at("file".to_string(), file, "y".to_string())
                .await,
        );
        let _ = file
            .rename_at("y".to_string(), dir, "file".to_string())
            .await;
        log.line(
            &format!("{name} hash"),
            file.metadata_hash().await.map(drop),
        );
    }
    log.line(
        "hashes equal",
        rw.metadata_hash().await.unwrap().lower == r.metadata_hash().await.unwrap().lower,
    );
    // The future tells an error without that the stream is read, or is gone.
    let (rx, done) = w.read_via_stream(0);
    log.line("unread error", crate::soon(done).await);
    drop(rx);
    let (rx, done) = r.read_directory();
    log.line("unread listing of a file", crate::soon(done).await);
    drop(rx);
    let (rx, done) = r.read_via_stream(0);
    drop(rx);
    log.line("dropped stream", done.await);
    let (rx, done) = dir.read_directory();
    drop(rx);
    log.line("dropped listing", done.await);
    let (rx, done) = r.read_via_stream(2);
    drop(done);
    log.line("dropped future", rx.collect().await.len());
    // Streams have places of their own and live longer than their descriptor.
    let (one, _) = r.read_via_stream(0);
    let (two, _) = r.read_via_stream(5);
    drop(r);
    log.line(
        "two streams",
        (two.collect().await.len(), one.collect().await.len()),
    );
    let (mut tx, rx) = wit_stream::new();
    let done = rw.write_via_stream(rx, 0);
    log.line("written", tx.write_all(b"abc".to_vec()).await.len());
    log.line("written again", tx.write_all(b"de".to_vec()).await.len());
    drop(tx);
    log.line("write ends", done.await);
    log.line("content", get(&rw, 0).await);
    let (mut tx, rx) = wit_stream::new();
    let done = dir.write_via_stream(rx, 0);
    log.line(
        "refused writer keeps",
        tx.write_all(b"abc".to_vec()).await.len(),
    );
    log.line("refused", done.await);
    let many: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let big = open(dir, "big", Open::CREATE, Flags::READ | Flags::WRITE)
        .await
        .unwrap();
    log.line("big", put(&big, &many, 0).await);
    let (rx, done) = big.read_via_stream(0);
    log.line("big again", rx.collect().await == many);
    log.line("big ends", done.await);
    drop(open(dir, "big", Open::TRUNCATE, Flags::WRITE).await);
    log.line("truncated", big.stat().await.map(|s| s.size));
    for i in 0..200 {
        make(&d_mut(dir).await, &format!("entry-{i:03}"), "").await;
    }
    log.line("entries", list(&d).await.map(|l| l.len()));
    for i in 0..200 {
        let _ = dir.unlink_file_at(format!("dir/entry-{i:03}")).await;
    }
}

async fn d_mut(dir: &Descriptor) -> Descriptor {
    open(
        dir,
        "dir",
        Open::DIRECTORY,
        Flags::READ | Flags::MUTATE_DIRECTORY,
    )
    .await
    .unwrap()
}

async fn rights(log: &mut Log, dir: &Descriptor) {
    let at = |s: &str| s.to_string();
    let r = open(dir, "dir", Open::DIRECTORY, Flags::READ)
        .await
        .unwrap();
    log.line("r flags", r.get_flags().await);
    log.line(
        "r create",
        opens(&r, "new", Open::CREATE, Flags::WRITE).await,
    );
    log.line(
        "r truncate",
        opens(&r, "inner", Open::TRUNCATE, Flags::empty()).await,
    );
    log.line(
        "r write",
        opens(&r, "inner", Open::empty(), Flags::WRITE).await,
    );
    log.line(
        "r read",
        opens(&r, "inner", Open::empty(), Flags::READ).await,
    );
    log.line(
        "r mutate",
        opens(&r, ".", Open::DIRECTORY, Flags::MUTATE_DIRECTORY).await,
    );
    log.line("r mkdir", r.create_directory_at(at("new")).await);
    log.line("r rmdir", r.remove_directory_at(at("new")).await);
    log.line("r unlink", r.unlink_file_at(at("inner")).await);
    log.line("r symlink", r.symlink_at(at("x"), at("s")).await);
    log.line(
        "r link from",
        r.link_at(NONE, at("inner"), dir, at("h")).await,
    );
    log.line(
        "r link to",
        dir.link_at(NONE, at("file"), &r, at("h")).await,
    );
    log.line(
        "r rename from",
        r.rename_at(at("inner"), dir, at("h")).await,
    );
    log.line("r rename to", dir.rename_at(at("file"), &r, at("h")).await);
    log.line(
        "r times",
        r.set_times(NewTimestamp::Now, NewTimestamp::NoChange).await,
    );
    log.line(
        "r times-at",
        r.set_times_at(NONE, at("inner"), NewTimestamp::Now, NewTimestamp::NoChange)
            .await,
    );
    log.line(
        "r stat",
        r.stat_at(NONE, at("inner")).await.map(|s| s.type_),
    );
    log.line("r list", list(&r).await);
    log.line("r sync", r.sync().await);
}

pub async fn probe(log: &mut Log) {
    let (dir, name) = preopens::get_directories().into_iter().next().unwrap();
    let at = |s: &str| s.to_string();
    log.line("preopen", name);
    log.line("flags", dir.get_flags().await);
    log.line("type", dir.get_type().await);
    make(&dir, "file", "content").await;
    make(&dir, "moving", "content").await;
    dir.create_directory_at(at("dir")).await.unwrap();
    make(&dir, "dir/inner", "inner").await;
    for (target, name) in [
        ("file", "link"),
        ("dir", "dirlink"),
        ("nowhere", "dangling"),
        ("loop", "loop"),
        ("../outside", "up"),
    ] {
        dir.symlink_at(at(target), at(name)).await.unwrap();
    }
    opening(log, &dir).await;
    paths(log, &dir).await;
    changing(log, &dir).await;
    files(log, &dir).await;
    log.line("list", list(&dir).await);
    rights(log, &dir).await;
    let fresh = preopens::get_directories();
    log.line("preopens are new handles", fresh.len());
    if let Some((ro, _)) = fresh.get(1) {
        log.line("ro flags", ro.get_flags().await);
        log.line(
            "ro create",
            opens(ro, "new", Open::CREATE, Flags::WRITE).await,
        );
        log.line(
            "ro write",
            opens(ro, "file", Open::empty(), Flags::WRITE).await,
        );
        log.line(
            "ro read",
            opens(ro, "file", Open::empty(), Flags::READ).await,
        );
        log.line(
            "ro mutate",
            opens(ro, "dir", Open::DIRECTORY, Flags::MUTATE_DIRECTORY).await,
        );
        log.line("ro mkdir", ro.create_directory_at(at("new")).await);
        log.line("ro unlink", ro.unlink_file_at(at("file")).await);
        log.line(
            "ro times",
            ro.set_times_at(NONE, at("file"), NewTimestamp::Now, NewTimestamp::Now)
                .await,
        );
        log.line(
            "ro link to",
            dir.link_at(NONE, at("file"), ro, at("h")).await,
        );
    }
}
