//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast::aws::clean_panics();
    ExitCode::from(holdfast::cli::run())
}
