//! What a run looks like elsewhere than on a terminal: the same ten runs in every form, whatever the texts are that a manifest or AWS chose.

mod compare;
mod junit;
mod markdown;
mod pipelines;
mod plain;
mod plans;
mod program;
mod sarif;
mod schemas;
#[path = "../support/mod.rs"]
mod support;

use std::sync::OnceLock;

use plans::Sample;

/// The ten runs, made once.
fn ten() -> &'static [Sample] {
    static TEN: OnceLock<Vec<Sample>> = OnceLock::new();
    TEN.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(plans::ten())
    })
}

fn sample(name: &str) -> &'static Sample {
    ten().iter().find(|sample| sample.name == name).expect("one of the ten")
}

/// Holds a form of a run against how it was. What nobody reads whole is held by its length and its beginning.
fn snapshot(form: &str, sample: &Sample, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let text = match text.char_indices().nth(8_000) {
        Some((end, _)) => format!("{}\n[... {} bytes in all]", &text[..end], text.len()),
        None => text.to_owned(),
    };
    settings.bind(|| insta::assert_snapshot!(format!("{form}@{}", sample.name.replace([' ', ','], "-")), text));
}
