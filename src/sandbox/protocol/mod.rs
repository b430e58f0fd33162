//! The wire forms that AWS services speak.

pub mod json;
pub mod query;
pub mod rest;
pub mod xml;
