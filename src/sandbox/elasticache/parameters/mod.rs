//! Parameter groups and the parameters of each family.

pub mod groups;
pub mod table;
