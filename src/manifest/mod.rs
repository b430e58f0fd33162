//! From files to checked objects, with everything that is wrong said at once.
//!
//! ```text
//! bytes -> scan    text, documents, limits; every key and value with its place     (saphyr-parser)
//!       -> raw     what each value is                                              (serde_yaml)
//!       -> tree    the two joined, aliases and merge keys applied: one JSON value and the places beside it
//!       -> validate, check    against the schema, and what a schema cannot say
//!       -> object  AwsBaseline, without the entries that are wrong
//!       -> prune   the same without the fields that are wrong, for checks that come later
//! ```
//!
//! Everything but the reading of files in `read` is pure. A mistake inside the declaration of one resource stops that
//! resource, any other mistake stops its object, and neither hides the next one.

mod check;
mod object;
mod path;
mod problem;
mod prune;
mod raw;
mod read;
mod region;
mod scan;
mod schema;
mod tree;
mod validate;
mod window;

#[cfg(test)]
mod tests;

pub use check::{Claim, claims, overlap, partition};
pub use object::{
    API_VERSION, AssumeRole, AwsBaseline, BadUntil, ChangeWindow, Day, Disruptive, Exception, KIND, Metadata, Mode, Notifications, Policy,
    Spec, Until,
};
pub use path::{BadPath, FieldPath, Step};
pub use problem::{Excerpt, Problem, Related, Scope, Severity, is_secretive};
pub use read::{Loaded, Positions, Reading, Written, read, read_text, read_value};
pub use scan::{MAX_BYTES, MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES, Mark};
pub use schema::{KindSchema, MAX_ITEMS, Shape, closed, derived, manifest_schema, note_composed, without_bounds_of_types};
pub use validate::{did_you_mean, nearest};
pub use window::{BadWindow, Opening, Windows};
