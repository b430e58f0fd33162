//! The README's screens, as the program shows them.

#[test]
fn screens() {
    let state = tempfile::tempdir().expect("a folder");
    trycmd::TestCases::new().env("HOLDFAST_STATE_DIR", state.path().to_string_lossy()).case("README.md").case("tests/cli/*.trycmd").run();
}
