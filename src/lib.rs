//! holdfast keeps an AWS account in the hardened state that its team wrote down in a YAML manifest.
//!
//! Data moves one way, and the modules stand in that order:
//!
//! ```text
//!  files                                      AWS (reads)                          AWS (writes), journal
//!    |                                            |                                         |
//!    v                                            v                                         v
//! manifest --> load --> desired ----------> (observed) ------> plan ------> execute ----> exit, reports
//!              every     entries, selectors,   kinds read       pure: what    steps with
//!              problem   wishes composed       fact by fact     and at        intent before
//!              at once                                          what cost     effect
//! ```
//!
//! [`reconcile`] is the short file that names every stage; read it first. What is known of each kind of AWS resource is declared once, in
//! [`kinds`]; everything else is derived from it.

// What is wished.
pub mod manifest;

pub mod load;

pub mod desired;

// What is known of each kind of resource.
pub mod kinds;

// What would be done, and doing it.
pub mod plan;

pub mod execute;

pub mod reconcile;

// Moving a Redis that cannot be encrypted where it is.
pub mod migration;

pub mod exit;

// What of it is shown elsewhere than on a terminal.
pub mod report;

// The edges.
pub mod aws;

pub mod cli;

pub mod clock;
pub mod exec;
mod hex;
pub mod kubernetes;
mod plain;

#[cfg(feature = "sandbox")]
pub mod sandbox;
