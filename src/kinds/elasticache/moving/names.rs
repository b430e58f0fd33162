//! The names of what a move makes: they follow from the group that is moved, so that whoever looks finds it again.

use crate::hex::short_sha256;
use crate::kinds::Scope;

/// The longest id of a replication group. [service model, CreateReplicationGroup]
const LONGEST: usize = 40;

/// The names of one move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The group that is moved, or the standalone cluster.
    pub source: String,
    /// The group that it is moved into.
    pub target: String,
    /// What is moved is a standalone cluster: a group of that name is another thing. The names are the same for both, and so is the lock: of the two, one is
    /// moved at a time.
    pub standalone: bool,
}

impl Names {
    pub fn of(scope: &Scope, source: &str) -> Names {
        let text = format!("{}\n{}\n{source}", scope.account, scope.region);
        let digest = short_sha256(&text, 8);
        let room = LONGEST - digest.len() - 1;
        let short = source.get(..source.len().min(room)).unwrap_or(source).trim_end_matches('-');
        Names { source: source.to_owned(), target: format!("{short}-{digest}"), standalone: false }
    }

    /// How people call what is moved, once something else serves.
    pub fn old(&self) -> &'static str {
        if self.standalone { "the old cluster" } else { "the old group" }
    }

    /// The snapshot of an attempt, from 1, of the move with the lock of an epoch.
    pub fn snapshot(&self, epoch: u32, attempt: u32) -> String {
        format!("{}-{epoch}-{attempt}", self.target)
    }

    /// The snapshot that is seen available before the source is deleted.
    pub fn last_snapshot(&self) -> String {
        format!("{}-final", self.target)
    }

    /// The snapshot of the target that is taken before a way back after the commit deletes it.
    pub fn back_snapshot(&self, epoch: u32) -> String {
        format!("{}-{epoch}-back", self.target)
    }

    /// The lock of an epoch, from 1.
    pub fn lock(&self, epoch: u32) -> String {
        format!("{}{epoch}", self.locks())
    }

    /// How the names of all its locks begin.
    pub fn locks(&self) -> String {
        format!("holdfast-move-{}-", self.target)
    }

    /// The parameter group that fences the source after the commit.
    pub fn fence(&self, epoch: u32) -> String {
        format!("{}{epoch}", self.fences())
    }

    /// How the names of all its fences begin.
    pub fn fences(&self) -> String {
        format!("holdfast-fence-{}-", self.target)
    }

    /// The version of a secret that names the target, or the label of a parameter's: of this move and no other. `place`: what it is, whatever its place in
    /// the manifest's list, which can be changed while a move is under way.
    pub fn turned(&self, lock: &str, place: &str) -> String {
        let text = format!("{lock}\n{place}\n{}", self.target);
        let digest = short_sha256(&text, 24);
        format!("holdfast-{digest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_what_aws_takes() {
        let scope = Scope {
            object: "o".to_owned(),
            account: "317805897534".to_owned(),
            region: "us-east-1".to_owned(),
            partition: "aws".to_owned(),
        };
        let names = Names::of(&scope, "huntaze-redis");
        assert!(names.target.starts_with("huntaze-redis-") && names.target.len() == "huntaze-redis-".len() + 8, "{names:?}");
        assert_ne!(names.target, Names::of(&Scope { region: "eu-west-1".to_owned(), ..scope.clone() }, "huntaze-redis").target);
        let long = Names::of(&scope, "a-group-whose-name-is-as-long-a-s-it-can");
        assert!(long.target.len() <= LONGEST && !long.target.contains("--"), "{long:?}");
        // A move of what was moved before has names of its own.
        assert_ne!(Names::of(&scope, &names.target).target, names.target);
        // Secrets Manager takes 32 to 64 characters as the id of a version.
        assert!((32..=64).contains(&names.turned("lock", "a").len()));
        assert_ne!(names.turned("lock", "a"), names.turned("lock", "b"));
    }
}
