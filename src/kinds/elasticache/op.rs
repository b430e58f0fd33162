//! What a step does, as data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::moving::MoveOp;
use super::spec::TransitEncryption;
use super::token::TokenRef;

/// One change. Groups are named by id, tokens by reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Op {
    /// Waits until the group is available: nothing is sent.
    Wait {
        group: String,
    },
    /// Changes settings: the paths of fields with their declared values.
    Settings {
        group: String,
        settings: BTreeMap<String, Value>,
        /// Now, with whatever waits for the maintenance window; else what touches no node is changed now, and what waits goes on waiting.
        immediately: bool,
        /// The cluster that snapshots are taken from, where they are turned on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot_source: Option<String>,
    },
    /// Moves encryption in transit one step on.
    Transit {
        group: String,
        mode: TransitEncryption,
        /// The token that is to be set afterwards, where one is: looked at before anything is sent, so that nobody is cut off for a token that
        /// cannot be had.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenRef>,
    },
    /// Makes the token valid, beside what is valid now.
    RotateToken {
        group: String,
        token: TokenRef,
    },
    /// Makes the token the only one.
    SetToken {
        group: String,
        token: TokenRef,
    },
    /// Notes that the token is in force.
    RecordToken {
        group: String,
        token: TokenRef,
    },
    Upgrade {
        group: String,
        /// As the API takes it.
        version: String,
        /// The group that fits the new version's family, where it is another one.
        #[serde(skip_serializing_if = "Option::is_none")]
        parameter_group: Option<String>,
        /// What their group sets besides what is declared, and nodes made anew begin with: consent is to that, too.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        brings: BTreeMap<String, String>,
        /// As with [`Op::Transit`], where the version comes first since the token needs it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenRef>,
    },
    CreateParameterGroup {
        name: String,
        family: String,
        object: String,
        group: String,
    },
    SetParameters {
        name: String,
        parameters: BTreeMap<String, String>,
    },
    /// Sets parameters back to the engine's defaults.
    ResetParameters {
        name: String,
        parameters: Vec<String>,
    },
    AttachParameterGroup {
        group: String,
        name: String,
        /// The parameter group that was in use.
        #[serde(skip_serializing_if = "Option::is_none")]
        was: Option<String>,
    },
    /// Takes back a parameter group that was made and is not used.
    DeleteParameterGroup {
        name: String,
    },
    Tag {
        arn: String,
        tags: BTreeMap<String, String>,
    },
    Untag {
        arn: String,
        keys: Vec<String>,
    },
    /// A step of moving the group into a new one.
    Move(Box<MoveOp>),
}
