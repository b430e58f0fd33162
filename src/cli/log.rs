//! The log: to stderr, and never a secret in it.

use std::io::{self, Write};

use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::plan::escape::output;

/// Starts logging at `level`.
pub fn start(level: &str, json: bool) -> Result<(), String> {
    let expected = "expected error, warn, info, debug, trace or off, or a filter such as holdfast::aws=debug";
    // A word alone would be taken for the name of a part of some program, and nothing be logged.
    let known = |word: &str| word.parse::<LevelFilter>().is_ok() || word.starts_with("holdfast") || word.contains(['=', '[']);
    if let Some(word) = level.split(',').map(str::trim).find(|word| !known(word)) {
        return Err(format!("{word} is no level; {expected}"));
    }
    let wanted = EnvFilter::builder().parse(level).map_err(|error| format!("{error}; {expected}"))?;
    // The SDK logs whole requests, bodies and all, at debug and trace. Nothing but our own words goes below a warning, whatever is asked for; of
    // credentials that cannot be had the result speaks, in fewer words; so it does of a cluster, whose client would repeat whole answers in a warning.
    let spoken_of = |target: &str| target.starts_with("aws_config") || target.starts_with("kube");
    let ours = filter_fn(move |metadata: &Metadata<'_>| {
        let target = metadata.target();
        target.starts_with("holdfast") || (*metadata.level() <= tracing::Level::WARN && !spoken_of(target))
    });
    let filter = wanted.and(ours);
    let layer = tracing_subscriber::fmt::layer().with_writer(Clean).with_ansi(false);
    let started = match json {
        true => tracing_subscriber::registry().with(layer.json().with_filter(filter)).try_init(),
        false => tracing_subscriber::registry().with(layer.with_filter(filter)).try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// Writes to stderr what is left when every known secret is taken out.
struct Clean;

impl MakeWriter<'_> for Clean {
    type Writer = Clean;

    fn make_writer(&self) -> Clean {
        Clean
    }
}

impl Write for Clean {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The formatter hands over each event whole.
        let text = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all(output(&crate::aws::reveal_nothing(&text)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
