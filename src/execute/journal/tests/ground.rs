//! A journal is of one AWS.

use super::*;

#[test]
fn the_journal_of_another_aws_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Journal::open_on("the sandbox", folder.path(), "test").unwrap();
    write(&opened.journal, vec![intent("a")], true).unwrap();
    drop(opened);
    let error = Journal::open_on("AWS", folder.path(), "test").err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, JournalError::OtherGround { .. }), "{text}");
    assert!(text.contains("the sandbox") && text.contains("AWS") && text.contains("--state-dir"), "{text}");
    assert!(set_aside(folder.path()).is_empty());
    let opened = Journal::open_on("the sandbox", folder.path(), "test").unwrap();
    assert_eq!(opened.journal.records().unwrap().len(), 1);
}

#[test]
fn a_journal_that_does_not_say_is_taken_by_the_first_that_does() {
    let folder = tempfile::tempdir().unwrap();
    journal(folder.path(), 3);
    assert_eq!(Journal::open_on("AWS", folder.path(), "test").unwrap().journal.records().unwrap().len(), 3);
    assert!(matches!(Journal::open_on("the sandbox", folder.path(), "test"), Err(JournalError::OtherGround { .. })));
    // One that takes the place of a damaged one is of the same AWS.
    std::fs::write(folder.path().join("journal/header.json"), "{").unwrap();
    assert!(Journal::open_on("AWS", folder.path(), "test").unwrap().set_aside.is_some());
    assert!(matches!(Journal::open_on("the sandbox", folder.path(), "test"), Err(JournalError::OtherGround { .. })));
}
