//! Disks that are full or cannot be written: file systems of our own, where this process may mount them.

use super::*;

/// A file system of its own; unmounted in the end.
struct Mounted(tempfile::TempDir);

impl Mounted {
    /// None where this process may not mount.
    fn new(size: &str) -> Option<Mounted> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Mounted::mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], folder.path());
        if !mounted {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: needs the right to mount a tmpfs\n");
        }
        mounted.then(|| Mounted(folder))
    }

    fn mount(arguments: &[&str], at: &Path) -> bool {
        Command::new("mount").args(arguments).arg(at).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn again(&self, options: &str) {
        assert!(Mounted::mount(&["-o", &format!("remount,{options}")], self.0.path()));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_read_only_folder_is_refused() {
    let Some(disk) = Mounted::new("16m") else { return };
    journal(disk.0.path(), 3);
    disk.again("ro");
    let text = Journal::open(disk.0.path(), "test").err().unwrap().to_string();
    assert!(text.contains("cannot be written") && text.contains("Nothing was changed"), "{text}");
    disk.again("rw");
    assert_eq!(Journal::open(disk.0.path(), "test").unwrap().journal.records().unwrap().len(), 3);
}

#[test]
fn a_journal_is_read_where_nothing_can_be_written() {
    let Some(disk) = Mounted::new("16m") else { return };
    let state = disk.0.path().join("state");
    journal(&state, 3);
    // Larger than a segment of sled's: it lies in a file of its own.
    let steps = (0..20_000).map(|at| format!("{at:064}")).collect();
    write(
        &Journal::open(&state, "test").unwrap().journal,
        vec![Event::Consented { plan: "p".to_owned(), steps, of: Vec::new(), under_way: Default::default() }],
        true,
    )
    .unwrap();
    let temporary = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().starts_with(&format!("holdfast-journal-{}-", std::process::id()))).count()
    };
    let read = |how: &str| {
        let records = Journal::read(&state, "test").unwrap_or_else(|error| panic!("{how}: {error}"));
        assert_eq!(records.len(), 4, "{how}");
        assert_eq!(temporary(), 0, "{how}: a copy was left behind");
    };
    disk.again("ro");
    read("read-only");
    disk.again("rw");
    std::fs::remove_file(state.join("lock")).unwrap();
    disk.again("ro");
    read("read-only, without a lock");
    disk.again("rw");
    let ballast = disk.0.path().join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    let before = std::fs::read(state.join("journal/sled/db")).unwrap();
    read("full");
    assert!(std::fs::read(state.join("journal/sled/db")).unwrap() == before, "reading wrote");
    file.set_len(0).unwrap();
    drop(file);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(Journal::open(&state, "test").unwrap().journal.records().unwrap().len(), 4);
}

#[test]
fn a_full_disk_on_opening_is_refused_and_costs_nothing() {
    let Some(disk) = Mounted::new("16m") else { return };
    let state = disk.0.path().join("state");
    journal(&state, 200);
    for left in [0_usize, 1, 60, 600 * 1024, 1 << 20] {
        let ballast = disk.0.path().join("ballast");
        let mut file = File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length - left as u64).unwrap();
        let answers = open_all(std::slice::from_ref(&state));
        assert_eq!(answers[0].1, "refused", "{left} bytes left: {answers:?}");
        assert!(answers[0].0 < 5000, "{answers:?}");
        assert!(set_aside(&state).is_empty());
        // Its room at once: a process that another test is about to begin may hold the file for a moment.
        file.set_len(0).unwrap();
        std::fs::remove_file(&ballast).unwrap();
    }
    assert_eq!(Journal::open(&state, "test").unwrap().journal.records().unwrap().len(), 200);
}

#[test]
fn a_disk_that_fills_up_in_a_run_loses_nothing_that_was_acknowledged() {
    for size in ["4m", "5300k", "6m"] {
        let Some(disk) = Mounted::new(size) else { return };
        let began = Instant::now();
        let mut child = begin("fill", disk.0.path());
        let said: Vec<String> = lines(&mut child).collect();
        child.wait().unwrap();
        println!("{size}: {} records, {:?}, {}", said.len(), began.elapsed(), said[said.len().saturating_sub(2)..].join("; "));
        assert!(said.iter().any(|line| line.starts_with("failed") && line.contains("run again")), "it was never told: {said:?}");
        let last: u64 = said.iter().filter_map(|line| line.parse().ok()).max().unwrap();
        disk.again("size=64m");
        let opened = Journal::open(disk.0.path(), "test").unwrap();
        match &opened.set_aside {
            None => assert!(opened.journal.records().unwrap().len() as u64 >= last),
            Some((place, _)) => assert!(place.join("sled/db").is_file()),
        }
    }
}
