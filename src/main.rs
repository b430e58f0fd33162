//! Arguments in, exit code out.

use std::process::ExitCode;

use holdfast::exec::guard;

fn main() -> ExitCode {
    holdfast::aws::clean_panics();
    if std::env::args_os().nth(1).is_some_and(|first| first == guard::ARGUMENT) {
        return ExitCode::from(guard::main());
    }
    ExitCode::from(holdfast::cli::run())
}
