//! The protocol on real servers, rule by rule.

mod copy_back;
mod copy_catching_up;
mod copy_commands;
mod copy_connections;
mod copy_engines;
mod copy_first;
mod copy_target;
mod copy_unpushed;
mod hold_clients;
mod hold_clock;
mod hold_ground;
mod hold_probe;
mod hold_rule10;
mod hold_rule11;
mod hold_rule15;
mod hold_rule16;
mod hold_rule19;
mod hold_stress;
mod mover_back;
mod mover_forward;
mod mover_ground;
mod mover_resume;
mod mover_rules;
mod mover_sweep;
mod mover_undo;
mod proxy;
pub mod servers;
