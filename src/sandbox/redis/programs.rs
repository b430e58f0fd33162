//! Which `redis-server` runs a group: the machine has one or two of them, the account may ask for any version.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::FleetError;
use super::server::program;

/// The programs of this machine by version, oldest first.
#[derive(Clone, Debug)]
pub struct Programs(Vec<Program>);

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Major, minor, patch.
    pub version: [u32; 3],
    pub path: PathBuf,
}

impl Programs {
    /// What [`program`] finds, and what `HOLDFAST_REDIS_62` names.
    pub fn found() -> Result<Programs, FleetError> {
        let named = std::env::var_os("HOLDFAST_REDIS_62").map(PathBuf::from);
        let mut all: Vec<Program> = [program(), named].into_iter().flatten().filter_map(|path| version(&path)).collect();
        all.sort_by_key(|program| program.version);
        if all.is_empty() { Err(FleetError::NoProgram) } else { Ok(Programs(all)) }
    }

    /// The program for an engine version: of that major and minor version, else the newest below, else the oldest.
    pub fn nearest(&self, wanted: [u32; 2]) -> Option<&Program> {
        let of = |program: &Program| [program.version[0], program.version[1]];
        self.0.iter().rev().find(|program| of(program) <= wanted).or(self.0.first())
    }
}

/// A program, asked for its version; none where it does not answer as a redis-server does.
fn version(path: &Path) -> Option<Program> {
    let said = Command::new(path).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    Some(Program { version: [next(), next(), next()], path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_version_runs_a_group() {
        let program = |version| Program { version, path: PathBuf::new() };
        let programs = Programs(vec![program([6, 2, 14]), program([7, 0, 15])]);
        let nearest = |wanted| programs.nearest(wanted).map(|program| program.version);
        assert_eq!(nearest([7, 1]), Some([7, 0, 15]));
        assert_eq!(nearest([8, 0]), Some([7, 0, 15]));
        assert_eq!(nearest([6, 2]), Some([6, 2, 14]));
        assert_eq!(nearest([5, 0]), Some([6, 2, 14]), "nothing as old is there");
    }
}
