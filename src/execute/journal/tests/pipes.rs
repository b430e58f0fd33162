//! Pipes where files belong: opening one waits for ever for somebody at its other end.

use std::sync::mpsc;

use super::*;

/// What `work` answers with, unless it hangs.
fn in_time<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(Duration::from_secs(6)).unwrap_or_else(|_| panic!("{name}: it hangs"))
}

#[test]
fn a_pipe_is_no_file_of_a_journal() {
    for (name, refused) in [
        ("journal/header.json", false),
        ("journal/mark", false),
        ("journal/sled/db", false),
        ("journal/sled/conf", false),
        ("journal/header.json.half", true),
        ("lock", true),
        ("probe", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        journal(folder.path(), 3);
        if name.ends_with(".half") {
            std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
            std::fs::create_dir(folder.path().join("journal")).unwrap();
        }
        let place = folder.path().join(name);
        let _ = std::fs::remove_file(&place);
        assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
        let state = folder.path().to_owned();
        let read = in_time(name, move || Journal::read(&state, "test").map(|records| records.len()));
        match name {
            // What nobody reads is not in the way of reading.
            "probe" => assert_eq!(read.unwrap(), 3),
            "journal/header.json.half" => assert_eq!(read.unwrap(), 0),
            _ => assert!(read.is_err(), "{name}"),
        }
        let state = folder.path().to_owned();
        match in_time(name, move || Journal::open(&state, "test")) {
            Ok(opened) => assert!(!refused && opened.set_aside.is_some(), "{name}"),
            Err(error) => assert!(refused && error.to_string().contains("is no plain file"), "{name}: {error}"),
        }
    }
}
