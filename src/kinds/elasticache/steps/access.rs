//! Encryption and AUTH: who can connect, and how.

use super::settings::takes_with;
use super::{Context, NODES, names};
use crate::kinds::elasticache::moving;
use crate::kinds::elasticache::op::Op;
use crate::kinds::elasticache::spec::TransitEncryption;
use crate::kinds::elasticache::token::{Stage, TokenRef};
use crate::kinds::elasticache::version;
use crate::kinds::{Drift, Fact, Impact, Reason, Step};

/// What a person does about a difference that only a new group repairs.
const MIGRATE: &str = "it takes a new group, restored from a snapshot, and clients that move to its endpoint: declare `migration` on this entry \
                       (`holdfast explain elasticache.replicationGroups.migration`), or except the field until a date";

/// When TLS is required, as far as this plan can say.
enum Tls {
    /// Now, or after these steps.
    Required(Vec<usize>),
    /// Not with this plan; it is said already where it was declared.
    Not,
}

impl Context<'_> {
    /// `upgraded`: the step after which the engine has its declared version, where that comes first.
    pub(super) fn access(&mut self, upgraded: Option<usize>) {
        if self.at_rest() {
            // Turning TLS on in the old group would cut clients off twice: it comes with the new one.
            let with: Vec<&Drift> = ["transitEncryption", "auth"].into_iter().filter_map(|field| self.drift(field)).collect();
            if !with.is_empty() {
                let message =
                    "it comes with the new group that encryption at rest needs: changing the old one first would cut clients off twice";
                self.block(Reason::NeedsMigration, &names(&with), message.to_owned(), MIGRATE.to_owned());
            }
            return;
        }
        let first = self.plan.steps.len();
        let tls = self.transit(upgraded);
        let before = self.plan.steps.len();
        self.auth(tls, upgraded);
        if self.plan.steps.len() > before {
            self.look_at_token_before(upgraded.into_iter().chain(first..before));
        }
    }

    /// The differences that only a new group repairs, with those that come with it: changing the old one first would cut clients off twice.
    pub(super) fn needs_move(&self) -> Vec<String> {
        let (tls, token) = (self.drift("transitEncryption").is_some(), self.drift("auth").is_some());
        let at_rest = !self.below("atRestEncryption").is_empty() || self.is_standalone() && (tls || token);
        let found = self.members().map(|members| members.version.as_str());
        let upgrade = self.drift("engineVersion").and_then(|drift| drift.declared.as_str());
        if !moving::is_needed(at_rest, tls, token, found, upgrade) {
            return Vec::new();
        }
        let mut fields = names(&self.below("atRestEncryption"));
        fields.extend(["transitEncryption", "auth"].into_iter().filter(|field| self.drift(field).is_some()).map(str::to_owned));
        fields
    }

    /// Blocks differences of encryption at rest; says whether they need a new group.
    fn at_rest(&mut self) -> bool {
        let mut fields = names(&self.below("atRestEncryption"));
        if self.drift("atRestEncryption.kmsKeyId").is_some() && self.planning.seen.key.is_absent() && self.group.at_rest {
            let message = "there is no such key".to_owned();
            let key = "atRestEncryption.kmsKeyId".to_owned();
            self.block(Reason::InvalidWish, std::slice::from_ref(&key), message, "correct the key in the manifest, or make it".to_owned());
            fields.retain(|field| *field != key);
        }
        if fields.is_empty() {
            return false;
        }
        let message = match self.group.at_rest {
            false => "the group is not encrypted at rest, and that is fixed when a group is made",
            true => "the group is encrypted at rest with another key, and that is fixed when a group is made",
        };
        self.block(Reason::NeedsMigration, &fields, message.to_owned(), MIGRATE.to_owned());
        true
    }

    /// Whether the engine is `least` or newer by the time that it matters: what it is, or what the step before makes of it.
    fn will_reach(&self, found: &str, upgraded: Option<usize>, least: [u32; 3]) -> bool {
        let declared = upgraded.and_then(|_| self.drift("engineVersion")?.declared.as_str());
        version::reaches(found, least) || declared.is_some_and(|declared| version::newest_reaches(declared, least))
    }

    /// Has the steps that lead up to the token's look at it first: what cuts clients off is not done for a token that cannot be set.
    fn look_at_token_before(&mut self, places: impl Iterator<Item = usize>) {
        let Fact::Present(found) = &self.planning.seen.token else { return };
        for place in places {
            if let Some(Op::Transit { token, .. } | Op::Upgrade { token, .. }) = self.plan.steps.get_mut(place).map(|step| &mut step.op) {
                *token = Some(found.clone());
            }
        }
    }

    fn transit(&mut self, upgraded: Option<usize>) -> Tls {
        let Some(drift) = self.drift("transitEncryption") else {
            return match self.group.transit {
                Some(TransitEncryption::Required) => Tls::Required(Vec::new()),
                _ => Tls::Not,
            };
        };
        let fields = vec![drift.field.clone()];
        let Some(members) = self.members_for(&fields) else { return Tls::Not };
        if !members.in_vpc {
            let message = "the group is in no VPC subnet group, and TLS needs one".to_owned();
            self.block(Reason::NotSupported, &fields, message, "make a group in a VPC and move to it".to_owned());
            return Tls::Not;
        }
        if !self.will_reach(&members.version, upgraded, version::TRANSIT_IN_PLACE) {
            let message = format!("engine version {} cannot turn TLS on in place: Redis 7.0.5 and newer, and Valkey, can", members.version);
            let what_to_do = format!("declare engineVersion: \"7.1\" to have it upgraded first, or: {MIGRATE}");
            self.block(Reason::NeedsMigration, &fields, message, what_to_do);
            return Tls::Not;
        }
        let id = self.id();
        let waiting = self.waiting();
        let mut after: Vec<usize> = upgraded.into_iter().collect();
        if self.group.transit.is_none() {
            let op = Op::Transit { group: id.to_owned(), mode: TransitEncryption::Preferred, token: None };
            let mut step = Step::online(format!("Let {id} accept TLS beside plain text"), op, fields.clone())
                .back(format!(
                    "`{} --replication-group-id {id} --no-transit-encryption-enabled --apply-immediately`, while the mode is still preferred",
                    self.command("modify-replication-group")
                ))
                .within(NODES)
                .after(after.iter().copied());
            step.takes = "minutes in which nodes are changed one by one; clients stay connected".to_owned();
            if !waiting.is_empty() {
                step = step.impact(Impact::Disruptive, takes_with(&waiting));
            }
            after = vec![self.plan.push(step)];
        }
        if drift.declared.as_str() != Some(TransitEncryption::Required.word()) {
            return Tls::Not;
        }
        let op = Op::Transit { group: id.to_owned(), mode: TransitEncryption::Required, token: None };
        let step = Step::online(format!("Let {id} accept nothing but TLS"), op, fields)
            .impact(Impact::Disruptive, "clients that still connect in plain text are cut off: move them to TLS first")
            .back(format!(
                "`{} --replication-group-id {id} --transit-encryption-enabled --transit-encryption-mode preferred --apply-immediately`: plain text is \
                 accepted again; AWS refuses it once the group has a token",
                self.command("modify-replication-group")
            ))
            .within(NODES)
            .after(after);
        Tls::Required(vec![self.plan.push(step)])
    }

    fn auth(&mut self, tls: Tls, upgraded: Option<usize>) {
        let Some(drift) = self.drift("auth") else { return };
        let fields = vec![drift.field.clone()];
        let Some(members) = self.members_for(&fields) else { return };
        if self.group.auth && self.planning.seen.busy().is_some() {
            self.wait(fields);
            return;
        }
        let token = match &self.planning.seen.token {
            Fact::Present(token) => token,
            _ => {
                let seen = self.planning.seen;
                let what_to_do = match (seen.doomed_secret, &seen.empty_secret) {
                    (true, _) => "restore it (`aws secretsmanager restore-secret`), or name another in auth.secretArn",
                    (false, Some(_)) => "put the token into it (`aws secretsmanager put-secret-value`)",
                    (false, None) => "correct auth.secretArn, or make the secret",
                };
                self.block(Reason::InvalidWish, &fields, format!("the secret {}", seen.no_token()), what_to_do.to_owned());
                return;
            }
        };
        if self.group.user_groups {
            let message = "access to the group is by user groups, and a token is refused beside them".to_owned();
            self.block(
                Reason::NotSupported,
                &fields,
                message,
                "take auth out of the manifest, or the user groups off the group".to_owned(),
            );
            return;
        }
        if !self.will_reach(&members.version, upgraded, version::TOKEN_CHANGE) {
            let message = format!("engine version {} cannot change its token: Redis 5.0.6 and newer, and Valkey, can", members.version);
            self.block(Reason::NeedsMigration, &fields, message, format!("declare a newer engineVersion, or: {MIGRATE}"));
            return;
        }
        let Tls::Required(after) = tls else {
            let (reason, message) = match self.drift("transitEncryption") {
                Some(_) => (Reason::WaitsForOther, "AUTH needs TLS to be required, which is blocked"),
                None => (Reason::NotSupported, "AUTH needs TLS to be required, and it is not"),
            };
            self.block(reason, &fields, message.to_owned(), "have transitEncryption: Required declared and done first".to_owned());
            return;
        };
        self.token(token, &fields, after);
    }

    /// ROTATE, then SET, then the note that it is in force: at no time is there no password, where there was one.
    fn token(&mut self, token: &TokenRef, fields: &[String], mut after: Vec<usize>) {
        let id = self.id();
        let (group, token) = (id.to_owned(), token.clone());
        let stage = self.planning.seen.stage(&token).present().copied().unwrap_or(Stage::Before);
        if stage == Stage::Before || stage == Stage::InForce {
            let mut step = Step::online(
                format!("Make the secret's token valid on {id}, beside what is valid now"),
                Op::RotateToken { group: group.clone(), token: token.clone() },
                fields,
            )
            .back(match self.group.auth {
                true => "rotate to the former token, if you have it",
                false => "nothing: a group that was given a token keeps one, or user groups in its place, and TLS with it",
            })
            .within(NODES)
            .after(after.iter().copied());
            step.takes = match self.group.auth {
                true => "clients with the newest token stay connected; of two tokens that are valid now, the older ends".to_owned(),
                false => "clients without a password stay connected".to_owned(),
            };
            // Two tokens are valid at most, so a second rotation before SET ends the older access.
            if self.planning.seen.note().present().is_some_and(|note| note.leaves_two(self.group.auth_changed)) {
                let takes =
                    "an earlier version of the secret was made valid and never made the only one: what was valid before that one ends now";
                step = step.impact(Impact::Disruptive, takes);
            }
            after = vec![self.plan.push(step)];
        }
        if stage != Stage::Set {
            let step = Step::online(
                format!("Make the secret's token the only way into {id}"),
                Op::SetToken { group: group.clone(), token: token.clone() },
                fields,
            )
            .impact(Impact::Disruptive, "clients with the former token, or without one, are cut off: give them the secret's token first")
            .back(match self.group.auth {
                true => "rotate to the former token, if you have it",
                false => "nothing: access without a token does not come back",
            })
            .within(NODES)
            .after(after);
            after = vec![self.plan.push(step)];
        }
        let step = Step::online(format!("Note on {id} that the secret's token is in force"), Op::RecordToken { group, token }, fields);
        self.plan.push(step.back("nothing to take back: it is a tag").within(NODES).after(after));
    }
}
