//! The README's screens, as the program shows them.

#[test]
fn screens() {
    let state = tempfile::tempdir().expect("a folder");
    trycmd::TestCases::new().env("HOLDFAST_STATE_DIR", state.path().to_string_lossy()).case("README.md").case("tests/cli/*.trycmd").run();
}

/// What `trycmd` does not run: `text` blocks, each held by a test that has it printed.
#[test]
fn every_other_screen_has_its_test() {
    let held = ["tests/live.rs", "tests/cli/screens.rs", "tests/cli/screens.rs"];
    let blocks = include_str!("../README.md").matches("\n```text\n").count();
    assert_eq!(blocks, held.len(), "a screen came or went: hold it by a test as tests/support/screens.rs does");
    for (place, file) in held.iter().enumerate() {
        let text = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).expect("a test");
        assert!(text.contains(&format!("unsaid({place}, ")), "{file} does not hold the screen {place}");
    }
}
