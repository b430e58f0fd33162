//! Every operation that holdfast may send, once: its method, its API name, its IAM action, and whether it reads or writes.
//!
//! `reads.rds().describe_db_instances(|request| request.db_instance_identifier(id)).await` sends one. The closure fills the request in;
//! sending, pacing and the classes of errors are the same for all.

use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;

use super::budget::Budget;
use super::memo::Memo;
use super::tasks::Tasks;
use super::{Call, CallError, Class, ConnectOptions, Service, endpoint, secret};
use crate::clock::Clock;
use crate::exec::{Allowed, Looks, Runs};
use crate::kubernetes::{self, Clusters};

/// A client like this one, of another region; nothing where it is the same.
macro_rules! elsewhere {
    ($sdk:ident, $client:expr, $region:expr) => {{
        let config = $client.config();
        let same = config.region().is_some_and(|region| region.as_ref() == $region);
        (!same).then(|| $sdk::Client::from_conf(config.to_builder().region(aws_config::Region::new($region.to_owned())).build()))
    }};
}
use elsewhere;

macro_rules! services {
    ($($service:ident $module:ident $sdk:ident {
        reads { $($read:ident $Read:ident $read_action:literal,)* }
        writes { $($write:ident $Write:ident $write_action:literal,)* }
    })*) => {
        /// The clients of one account and region.
        pub(super) struct Clients {
            $(pub(super) $module: $sdk::Client,)*
            pub(super) budget: Budget,
            pub(super) clock: Clock,
            pub(super) tasks: Tasks,
            /// Whom connections to data stores trust, as PEM; none: the machine's own authorities.
            pub(super) trusted: Option<Vec<u8>>,
            /// Who this is, to other processes.
            pub(super) holder: String,
            /// The folder of this run's state.
            pub(super) state: Option<PathBuf>,
            /// The AWS is inside this process: so are its nodes, if it has any.
            pub(super) embedded: bool,
            /// What is read once a run.
            pub(super) run: Memo,
            /// The clusters of Kubernetes that may be spoken to.
            pub(super) clusters: Clusters,
            /// The manifest's commands may be run.
            pub(super) exec: Option<Allowed>,
        }

        impl Clients {
            pub(super) fn new(config: &aws_config::SdkConfig, budget: Budget, clock: Clock, options: &ConnectOptions) -> Clients {
                let mut clients = Clients {
                    $($module: $sdk::Client::new(config),)*
                    budget,
                    clock,
                    tasks: Tasks::default(),
                    trusted: options.trusted.clone(),
                    holder: options.holder.clone(),
                    state: options.state.clone(),
                    embedded: options.embedded.is_some(),
                    run: Memo::default(),
                    clusters: options.clusters.clone(),
                    exec: options.exec,
                };
                endpoint::as_named(&mut clients, config);
                clients
            }
        }

        impl Reads {
            $(pub fn $module(&self) -> calls::$module::Reads<'_> {
                calls::$module::Reads { _clients: &self.clients, _elsewhere: None }
            })*
        }

        impl Writes {
            $(pub fn $module(&self) -> calls::$module::Writes<'_> {
                calls::$module::Writes { _clients: &self.clients, _elsewhere: None }
            })*
        }

        /// The operations as data, a module a service.
        pub mod calls {
            use super::super::Call;

            $(pub mod $module {
                use super::super::{Call, CallError, Clients, Service};

                /// The reading operations.
                pub struct Reads<'a> {
                    // A service of which nothing is read leaves both unused.
                    pub(in super::super) _clients: &'a Clients,
                    pub(in super::super) _elsewhere: Option<$sdk::Client>,
                }
                /// The changing operations.
                pub struct Writes<'a> {
                    pub(in super::super) _clients: &'a Clients,
                    pub(in super::super) _elsewhere: Option<$sdk::Client>,
                }

                impl Reads<'_> {
                    /// The same, of another region than the manifest's.
                    pub fn in_region(self, region: &str) -> Self {
                        Self { _elsewhere: super::super::elsewhere!($sdk, self._clients.$module, region), ..self }
                    }
                }

                impl Writes<'_> {
                    /// The same, in another region than the manifest's.
                    pub fn in_region(self, region: &str) -> Self {
                        Self { _elsewhere: super::super::elsewhere!($sdk, self._clients.$module, region), ..self }
                    }
                }

                pastey::paste! {
                    $(pub static [<$read:upper>]: Call =
                        Call { service: Service::$service, operation: stringify!($Read), action: $read_action, writes: false };)*
                    $(pub static [<$write:upper>]: Call =
                        Call { service: Service::$service, operation: stringify!($Write), action: $write_action, writes: true };)*

                    impl Reads<'_> {
                        $(pub async fn $read(
                            &self,
                            build: impl FnOnce($sdk::operation::$read::builders::[<$Read FluentBuilder>]) -> $sdk::operation::$read::builders::[<$Read FluentBuilder>] + Send,
                        ) -> Result<$sdk::operation::$read::[<$read:camel Output>], CallError> {
                            let request = build(self._elsewhere.as_ref().unwrap_or(&self._clients.$module).$read());
                            // Boxed: an SDK call is some 30 kB of state, which adds up on the stack of whoever reads several things at once.
                            Box::pin(self._clients.budget.send(&[<$read:upper>], || request.clone().send())).await
                        })*
                    }

                    impl Writes<'_> {
                        $(pub async fn $write(
                            &self,
                            build: impl FnOnce($sdk::operation::$write::builders::[<$Write FluentBuilder>]) -> $sdk::operation::$write::builders::[<$Write FluentBuilder>] + Send,
                        ) -> Result<$sdk::operation::$write::[<$write:camel Output>], CallError> {
                            let request = build(self._elsewhere.as_ref().unwrap_or(&self._clients.$module).$write());
                            Box::pin(self._clients.budget.send(&[<$write:upper>], || request.clone().send())).await
                        })*
                    }

                    pub(super) static ALL: &[&Call] = &[$(&[<$read:upper>],)* $(&[<$write:upper>],)*];
                }
            })*

            /// Every operation there is.
            pub fn all() -> impl Iterator<Item = &'static Call> {
                [$($module::ALL,)*].into_iter().flatten().copied()
            }
        }
    };
}

/// The reading side of every client, and what was read in this pass. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    clients: Arc<Clients>,
    memo: Arc<Memo>,
}

/// The changing side of every client. It is had only from [`Reads::writes`], which asks for a journal: a dry run has none.
#[derive(Clone)]
pub struct Writes {
    clients: Arc<Clients>,
}

services! {
    CloudTrail cloudtrail aws_sdk_cloudtrail {
        reads {
            describe_trails DescribeTrails "cloudtrail:DescribeTrails",
            get_trail_status GetTrailStatus "cloudtrail:GetTrailStatus",
            get_event_selectors GetEventSelectors "cloudtrail:GetEventSelectors",
            get_insight_selectors GetInsightSelectors "cloudtrail:GetInsightSelectors",
            list_tags ListTags "cloudtrail:ListTags",
        }
        writes {
            create_trail CreateTrail "cloudtrail:CreateTrail",
            update_trail UpdateTrail "cloudtrail:UpdateTrail",
            start_logging StartLogging "cloudtrail:StartLogging",
            stop_logging StopLogging "cloudtrail:StopLogging",
            put_event_selectors PutEventSelectors "cloudtrail:PutEventSelectors",
            put_insight_selectors PutInsightSelectors "cloudtrail:PutInsightSelectors",
            add_tags AddTags "cloudtrail:AddTags",
            remove_tags RemoveTags "cloudtrail:RemoveTags",
        }
    }
    Ecs ecs aws_sdk_ecs {
        reads { describe_services DescribeServices "ecs:DescribeServices", }
        writes {
            update_service UpdateService "ecs:UpdateService",
            tag_resource TagResource "ecs:TagResource",
            untag_resource UntagResource "ecs:UntagResource",
        }
    }
    ElastiCache elasticache aws_sdk_elasticache {
        reads {
            describe_replication_groups DescribeReplicationGroups "elasticache:DescribeReplicationGroups",
            describe_cache_clusters DescribeCacheClusters "elasticache:DescribeCacheClusters",
            describe_cache_parameter_groups DescribeCacheParameterGroups "elasticache:DescribeCacheParameterGroups",
            describe_cache_parameters DescribeCacheParameters "elasticache:DescribeCacheParameters",
            describe_cache_subnet_groups DescribeCacheSubnetGroups "elasticache:DescribeCacheSubnetGroups",
            describe_cache_engine_versions DescribeCacheEngineVersions "elasticache:DescribeCacheEngineVersions",
            describe_snapshots DescribeSnapshots "elasticache:DescribeSnapshots",
            list_tags_for_resource ListTagsForResource "elasticache:ListTagsForResource",
        }
        writes {
            modify_replication_group ModifyReplicationGroup "elasticache:ModifyReplicationGroup",
            create_replication_group CreateReplicationGroup "elasticache:CreateReplicationGroup",
            delete_replication_group DeleteReplicationGroup "elasticache:DeleteReplicationGroup",
            delete_cache_cluster DeleteCacheCluster "elasticache:DeleteCacheCluster",
            create_snapshot CreateSnapshot "elasticache:CreateSnapshot",
            delete_snapshot DeleteSnapshot "elasticache:DeleteSnapshot",
            create_cache_parameter_group CreateCacheParameterGroup "elasticache:CreateCacheParameterGroup",
            modify_cache_parameter_group ModifyCacheParameterGroup "elasticache:ModifyCacheParameterGroup",
            reset_cache_parameter_group ResetCacheParameterGroup "elasticache:ResetCacheParameterGroup",
            delete_cache_parameter_group DeleteCacheParameterGroup "elasticache:DeleteCacheParameterGroup",
            add_tags_to_resource AddTagsToResource "elasticache:AddTagsToResource",
            remove_tags_from_resource RemoveTagsFromResource "elasticache:RemoveTagsFromResource",
        }
    }
    GuardDuty guardduty aws_sdk_guardduty {
        reads {
            list_detectors ListDetectors "guardduty:ListDetectors",
            get_detector GetDetector "guardduty:GetDetector",
            list_publishing_destinations ListPublishingDestinations "guardduty:ListPublishingDestinations",
            describe_publishing_destination DescribePublishingDestination "guardduty:DescribePublishingDestination",
            get_administrator_account GetAdministratorAccount "guardduty:GetAdministratorAccount",
        }
        writes {
            create_detector CreateDetector "guardduty:CreateDetector",
            update_detector UpdateDetector "guardduty:UpdateDetector",
            create_publishing_destination CreatePublishingDestination "guardduty:CreatePublishingDestination",
            update_publishing_destination UpdatePublishingDestination "guardduty:UpdatePublishingDestination",
            tag_resource TagResource "guardduty:TagResource",
            untag_resource UntagResource "guardduty:UntagResource",
        }
    }
    Kms kms aws_sdk_kms {
        reads {
            describe_key DescribeKey "kms:DescribeKey",
            get_key_policy GetKeyPolicy "kms:GetKeyPolicy",
        }
        writes {}
    }
    Rds rds aws_sdk_rds {
        reads {
            describe_db_instances DescribeDBInstances "rds:DescribeDBInstances",
            describe_db_parameter_groups DescribeDBParameterGroups "rds:DescribeDBParameterGroups",
            describe_db_parameters DescribeDBParameters "rds:DescribeDBParameters",
            describe_engine_default_parameters DescribeEngineDefaultParameters "rds:DescribeEngineDefaultParameters",
            describe_db_engine_versions DescribeDBEngineVersions "rds:DescribeDBEngineVersions",
            list_tags_for_resource ListTagsForResource "rds:ListTagsForResource",
        }
        writes {
            modify_db_instance ModifyDBInstance "rds:ModifyDBInstance",
            reboot_db_instance RebootDBInstance "rds:RebootDBInstance",
            create_db_parameter_group CreateDBParameterGroup "rds:CreateDBParameterGroup",
            copy_db_parameter_group CopyDBParameterGroup "rds:CopyDBParameterGroup",
            modify_db_parameter_group ModifyDBParameterGroup "rds:ModifyDBParameterGroup",
            reset_db_parameter_group ResetDBParameterGroup "rds:ResetDBParameterGroup",
            delete_db_parameter_group DeleteDBParameterGroup "rds:DeleteDBParameterGroup",
            add_tags_to_resource AddTagsToResource "rds:AddTagsToResource",
            remove_tags_from_resource RemoveTagsFromResource "rds:RemoveTagsFromResource",
        }
    }
    S3 s3 aws_sdk_s3 {
        reads {
            list_buckets ListBuckets "s3:ListAllMyBuckets",
            head_bucket HeadBucket "s3:ListBucket",
            get_bucket_location GetBucketLocation "s3:GetBucketLocation",
            get_public_access_block GetPublicAccessBlock "s3:GetBucketPublicAccessBlock",
            get_bucket_encryption GetBucketEncryption "s3:GetEncryptionConfiguration",
            get_bucket_policy GetBucketPolicy "s3:GetBucketPolicy",
            get_bucket_policy_status GetBucketPolicyStatus "s3:GetBucketPolicyStatus",
            get_bucket_acl GetBucketAcl "s3:GetBucketAcl",
            get_bucket_website GetBucketWebsite "s3:GetBucketWebsite",
            get_bucket_versioning GetBucketVersioning "s3:GetBucketVersioning",
            get_bucket_ownership_controls GetBucketOwnershipControls "s3:GetBucketOwnershipControls",
            get_bucket_logging GetBucketLogging "s3:GetBucketLogging",
            get_bucket_lifecycle_configuration GetBucketLifecycleConfiguration "s3:GetLifecycleConfiguration",
            get_bucket_tagging GetBucketTagging "s3:GetBucketTagging",
        }
        writes {
            create_bucket CreateBucket "s3:CreateBucket",
            put_public_access_block PutPublicAccessBlock "s3:PutBucketPublicAccessBlock",
            put_bucket_encryption PutBucketEncryption "s3:PutEncryptionConfiguration",
            put_bucket_policy PutBucketPolicy "s3:PutBucketPolicy",
            delete_bucket_policy DeleteBucketPolicy "s3:DeleteBucketPolicy",
            put_bucket_versioning PutBucketVersioning "s3:PutBucketVersioning",
            put_bucket_ownership_controls PutBucketOwnershipControls "s3:PutBucketOwnershipControls",
            put_bucket_logging PutBucketLogging "s3:PutBucketLogging",
            put_bucket_lifecycle_configuration PutBucketLifecycleConfiguration "s3:PutLifecycleConfiguration",
            delete_bucket_lifecycle DeleteBucketLifecycle "s3:PutLifecycleConfiguration",
            put_bucket_tagging PutBucketTagging "s3:PutBucketTagging",
            delete_bucket_tagging DeleteBucketTagging "s3:PutBucketTagging",
        }
    }
    S3Control s3control aws_sdk_s3control {
        reads { get_public_access_block GetPublicAccessBlock "s3:GetAccountPublicAccessBlock", }
        writes { put_public_access_block PutPublicAccessBlock "s3:PutAccountPublicAccessBlock", }
    }
    SecretsManager secretsmanager aws_sdk_secretsmanager {
        reads { describe_secret DescribeSecret "secretsmanager:DescribeSecret", }
        writes {
            put_secret_value PutSecretValue "secretsmanager:PutSecretValue",
            update_secret_version_stage UpdateSecretVersionStage "secretsmanager:UpdateSecretVersionStage",
        }
    }
    Sns sns aws_sdk_sns {
        reads {}
        writes { publish Publish "sns:Publish", }
    }
    Ssm ssm aws_sdk_ssm {
        reads { get_parameter_history GetParameterHistory "ssm:GetParameterHistory", }
        writes {
            put_parameter PutParameter "ssm:PutParameter",
            label_parameter_version LabelParameterVersion "ssm:LabelParameterVersion",
            unlabel_parameter_version UnlabelParameterVersion "ssm:UnlabelParameterVersion",
        }
    }
    Sts sts aws_sdk_sts {
        reads { get_caller_identity GetCallerIdentity "sts:GetCallerIdentity", }
        writes {}
    }
}

/// Reads the bytes of a secret. Of dry runs only one that would move a Redis does, to log in to it.
pub static GET_SECRET_VALUE: Call =
    Call { service: Service::SecretsManager, operation: "GetSecretValue", action: "secretsmanager:GetSecretValue", writes: false };

/// Has AWS think of a password; its bytes are a secret too.
pub static GET_RANDOM_PASSWORD: Call =
    Call { service: Service::SecretsManager, operation: "GetRandomPassword", action: "secretsmanager:GetRandomPassword", writes: false };

/// Reads the value of a parameter, decrypted; no dry run does.
pub static GET_PARAMETER: Call = Call { service: Service::Ssm, operation: "GetParameter", action: "ssm:GetParameter", writes: false };

/// The second permission that making a bucket takes: it is made with its tags.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
pub static CREATE_BUCKET_WITH_TAGS: Call = Call { service: Service::S3, operation: "CreateBucket", action: "s3:TagResource", writes: true };

impl Reads {
    pub(super) fn new(clients: Clients) -> Reads {
        Reads { clients: Arc::new(clients), memo: Arc::default() }
    }

    /// The same clients with nothing read yet: what a new pass begins with.
    pub fn fresh(&self) -> Reads {
        Reads { clients: Arc::clone(&self.clients), memo: Arc::default() }
    }

    /// What time it is: for facts that time makes true (a thing of ours is old enough to be used).
    pub fn now(&self) -> jiff::Timestamp {
        self.clients.clock.now()
    }

    /// The code with which AWS refused the credentials of these clients, if it did since they were made: a fact that could not be read for that reason
    /// is unknown like any other, and the run as a whole is over.
    pub fn credentials_refused(&self) -> Option<String> {
        self.clients.budget.credentials_refused()
    }

    /// A task of this name that a step of this run has begun, to be looked at.
    pub fn task<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        self.clients.tasks.get(name)
    }

    /// Who this is, to other processes that work on the same account.
    pub fn holder(&self) -> &str {
        &self.clients.holder
    }

    /// Whom connections to data stores trust, as PEM; none: the machine's own authorities.
    pub fn trusted(&self) -> Option<&[u8]> {
        self.clients.trusted.as_deref()
    }

    /// The folder of this run's state, where it has one.
    pub fn state(&self) -> Option<&Path> {
        self.clients.state.as_deref()
    }

    /// Whether a data store at this address may be spoken to. The nodes of the AWS inside this process are on loopback; what it calls otherwise is a name
    /// without a node behind it, and on the network it might be somebody's.
    pub fn has_nodes_at(&self, host: &str) -> bool {
        !self.clients.embedded || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// What can be read of a Kubernetes cluster: of the kubeconfig's context of that name, of the one that leads to that server, or of the one that is meant
    /// without either.
    pub async fn kubernetes(&self, context: Option<&str>, server: Option<&str>) -> Result<kubernetes::Reads, CallError> {
        self.clients.clusters.reads(context, server).await
    }

    /// The leave to run those of the manifest's commands that only look, where a person has given it to this process.
    pub fn exec(&self) -> Option<Looks> {
        self.clients.exec.map(Allowed::looks)
    }

    /// The bytes of a version of a secret, while it is the current one, to log in to a data store and for nothing else: what stands in the way of a move is
    /// asked there before it begins. The one place where a dry run reads a secret.
    pub async fn login(&self, secret_id: &str, key: Option<&str>, version: &str) -> Result<SecretString, CallError> {
        self.clients.secret_version(secret_id, key, version).await
    }

    /// What is read once a run, however many passes it has: `key` says what it is.
    pub async fn once_a_run<T, F>(&self, key: impl Into<String>, read: impl FnOnce() -> F) -> Result<Arc<T>, CallError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, CallError>>,
    {
        self.clients.run.once(key.into(), read).await
    }

    /// What this run has read by [`Reads::once_a_run`], where it has.
    pub fn known<T: Send + Sync + 'static>(&self, key: &str) -> Option<Arc<T>> {
        self.clients.run.known(key)
    }

    /// The changing side. The journal is the proof that this run records what it does.
    pub fn writes(&self, _journal: &crate::execute::Journal) -> Writes {
        Writes { clients: Arc::clone(&self.clients) }
    }

    /// A fact that several resources of this pass ask for, read once: `key` begins with the operation's name and ends with its arguments.
    pub async fn once<T, F>(&self, key: impl Into<String>, read: impl FnOnce() -> F) -> Result<Arc<T>, CallError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, CallError>>,
    {
        self.memo.once(key.into(), read).await
    }

    /// The same for whoever is the last to ask: it is not kept for others. What only one resource asks for would stay in memory for a whole pass.
    pub async fn last<T, F>(&self, key: impl Into<String>, read: impl FnOnce() -> F) -> Result<Arc<T>, CallError>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, CallError>>,
    {
        self.memo.take(key.into(), read).await
    }
}

impl Writes {
    /// From now on no write waits: somebody wishes to stop. One that is under way is finished.
    pub fn leave(&self) {
        self.clients.budget.leave();
    }

    /// What time it is: for the tag that says when a thing of ours was made.
    pub fn now(&self) -> jiff::Timestamp {
        self.clients.clock.now()
    }

    /// The time that AWS lives in.
    pub fn clock(&self) -> Clock {
        self.clients.clock.clone()
    }

    /// What goes on between passes: begun by a step, and ended by one.
    pub fn tasks(&self) -> &Tasks {
        &self.clients.tasks
    }

    /// The reading side with nothing read yet: for what must be known in the very moment of a change.
    pub fn reads(&self) -> Reads {
        Reads { clients: Arc::clone(&self.clients), memo: Arc::default() }
    }

    /// The leave to run the manifest's commands, where a person has given it to this process.
    pub fn exec(&self) -> Option<Runs> {
        self.clients.exec.map(Allowed::runs)
    }

    /// What can be changed in a Kubernetes cluster: see [`Reads::kubernetes`].
    pub async fn kubernetes(&self, context: Option<&str>, server: Option<&str>) -> Result<kubernetes::Writes, CallError> {
        self.clients.clusters.reads(context, server).await.map(kubernetes::Writes::of)
    }

    /// The bytes of a secret, for a request that carries them and for nothing else. `key` is a member of a secret that is a JSON
    /// object; without it the whole string is meant.
    pub async fn secret(&self, secret_id: &str, key: Option<&str>) -> Result<SecretString, CallError> {
        let request = self.clients.secretsmanager.get_secret_value().secret_id(secret_id);
        self.clients.secret_of(request, secret_id, key).await
    }

    /// The same of one version, and only while that is the current one: a secret that changed since it was planned with is refused.
    pub async fn secret_version(&self, secret_id: &str, key: Option<&str>, version: &str) -> Result<SecretString, CallError> {
        self.clients.secret_version(secret_id, key, version).await
    }

    /// A password of so many letters and digits that nobody has seen.
    pub async fn random_password(&self, length: i64) -> Result<SecretString, CallError> {
        let request = self.clients.secretsmanager.get_random_password().password_length(length).exclude_punctuation(true);
        let request = request.require_each_included_type(true);
        let answer = self.clients.budget.send(&GET_RANDOM_PASSWORD, || request.clone().send()).await?;
        let password = SecretString::from(answer.random_password.unwrap_or_default());
        secret::remember(&password);
        Ok(password)
    }

    /// The value of a version of a parameter, decrypted, for a request that carries it and for nothing else.
    pub async fn parameter(&self, name: &str, version: i64) -> Result<SecretString, CallError> {
        let request = self.clients.ssm.get_parameter().name(format!("{name}:{version}")).with_decryption(true);
        let answer = self.clients.budget.send(&GET_PARAMETER, || request.clone().send()).await?;
        let value = SecretString::from(answer.parameter.and_then(|parameter| parameter.value).unwrap_or_default());
        secret::remember(&value);
        Ok(value)
    }
}

impl Clients {
    async fn secret_version(&self, secret_id: &str, key: Option<&str>, version: &str) -> Result<SecretString, CallError> {
        let request = self.secretsmanager.get_secret_value().secret_id(secret_id);
        // Where both are given, Secrets Manager answers only if they mean the same version. [service model]
        self.secret_of(request.version_id(version).version_stage("AWSCURRENT"), secret_id, key).await
    }

    async fn secret_of(
        &self,
        request: aws_sdk_secretsmanager::operation::get_secret_value::builders::GetSecretValueFluentBuilder,
        secret_id: &str,
        key: Option<&str>,
    ) -> Result<SecretString, CallError> {
        let answer = self.budget.send(&GET_SECRET_VALUE, || request.clone().send()).await?;
        let text = answer.secret_string().unwrap_or_default();
        let json = key.map(|_| serde_json::from_str::<serde_json::Value>(text));
        let no_json = matches!(json, Some(Err(_)));
        let value = match (key, json) {
            (None, _) => Some(text.to_owned()),
            (Some(key), json) => json.and_then(Result::ok).and_then(|value| Some(value.get(key)?.as_str()?.to_owned())),
        };
        match value.filter(|value| !value.is_empty()) {
            Some(value) => {
                let value = SecretString::from(value);
                secret::remember(&value);
                Ok(value)
            }
            None => Err(CallError {
                call: &GET_SECRET_VALUE,
                class: Class::Invalid,
                code: "SecretEmpty".to_owned(),
                message: match key {
                    // The parser's own words would show some of it.
                    Some(key) if no_json && !text.is_empty() => {
                        format!(
                            "the secret {secret_id} is not JSON, and its key {key} is asked for: leave key out where all of it is meant"
                        )
                    }
                    Some(key) => format!("the secret {secret_id} holds no text under the key {key}"),
                    None => format!("the secret {secret_id} holds no text"),
                },
                request_id: None,
            }),
        }
    }
}

/// Follows the pages of a listing: `page` is given the token of the next one and answers with its entries and the token after it.
pub async fn pages<T, F>(mut page: impl FnMut(Option<String>) -> F) -> Result<Vec<T>, CallError>
where
    F: Future<Output = Result<(Vec<T>, Option<String>), CallError>>,
{
    let mut all = Vec::new();
    let mut token = None;
    loop {
        let (entries, next) = page(token.clone()).await?;
        all.extend(entries);
        match next.filter(|next| !next.is_empty()) {
            // A service that hands out the same token twice would never end.
            Some(next) if token.as_ref() == Some(&next) => return Ok(all),
            Some(next) => token = Some(next),
            None => return Ok(all),
        }
    }
}
