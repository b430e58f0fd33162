use super::*;

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn what_aws_fills_in() {
    let rds = rds(ACCOUNT);
    let create = rds.client.create_db_instance().db_instance_identifier("New").db_instance_class("db.t3.medium").engine("postgres");
    let create = create.engine_version("15").allocated_storage(20).master_username("root").master_user_password("a-long-secret");
    let made = create.clone().send().await.unwrap().db_instance.unwrap();
    assert_eq!((made.db_instance_identifier(), made.db_instance_status()), (Some("new"), Some("creating")));
    assert!(made.endpoint().is_none());
    assert_eq!(code(create.send().await.unwrap_err()), "DBInstanceAlreadyExists");
    assert_eq!(code(rds.modify("new").multi_az(true).send().await.unwrap_err()), "InvalidDBInstanceState");
    rds.wait(600);
    assert_eq!(rds.status("new").await, "backing-up");
    rds.wait(180);
    let new = rds.look("new").await;
    assert_eq!(new.db_instance_status(), Some("available"));
    assert_eq!((new.backup_retention_period(), new.copy_tags_to_snapshot(), new.monitoring_interval()), (Some(1), Some(false), Some(0)));
    assert_eq!((new.storage_type(), new.ca_certificate_identifier()), (Some("gp3"), Some("rds-ca-rsa2048-g1")));
    assert_eq!((new.engine_version(), new.storage_encrypted(), new.deletion_protection()), (Some("15.12"), Some(false), Some(false)));
    let group = &new.db_parameter_groups()[0];
    assert_eq!((group.db_parameter_group_name(), group.parameter_apply_status()), (Some("default.postgres15"), Some("in-sync")));
    assert_eq!(new.endpoint().unwrap().port(), Some(5432));
    assert!(!serde_yaml::to_string(&rds.sandbox.world()).unwrap().contains("a-long-secret"));
}

#[tokio::test]
async fn a_modify_shows_only_after_a_while_and_then_refuses_others() {
    let rds = rds(ACCOUNT);
    rds.modify("db").multi_az(true).apply_immediately(true).send().await.unwrap();
    let now = rds.look("db").await;
    assert_eq!((now.db_instance_status(), now.multi_az()), (Some("available"), Some(false)));
    assert_eq!(now.pending_modified_values().unwrap().multi_az(), Some(true));
    // What comes before it starts joins it.
    rds.modify("db").publicly_accessible(true).send().await.unwrap();
    rds.wait(15);
    assert_eq!(rds.status("db").await, "modifying");
    assert_eq!(code(rds.modify("db").deletion_protection(true).send().await.unwrap_err()), "InvalidDBInstanceState");
    let reboot = rds.client.reboot_db_instance().db_instance_identifier("db").send();
    assert_eq!(code(reboot.await.unwrap_err()), "InvalidDBInstanceState");
    rds.wait(300);
    let done = rds.look("db").await;
    assert_eq!((done.db_instance_status(), done.multi_az(), done.publicly_accessible()), (Some("available"), Some(true), Some(true)));
    assert_eq!(done.pending_modified_values().unwrap().multi_az(), None);
    // The same again changes nothing: nothing is under way.
    rds.modify("db").multi_az(true).apply_immediately(true).send().await.unwrap();
    rds.wait(15);
    assert_eq!(rds.status("db").await, "available");
}

#[tokio::test]
async fn without_apply_immediately_some_wait_for_the_window() {
    let rds = rds(ACCOUNT);
    // 1 January 2026 is a Thursday; the window opens on Sunday at 05:00.
    let modify = rds.modify("db").multi_az(true).backup_retention_period(7).deletion_protection(true).copy_tags_to_snapshot(true);
    modify.ca_certificate_identifier("rds-ca-ecc384-g1").max_allocated_storage(100).send().await.unwrap();
    let now = rds.look("db").await;
    assert_eq!((now.deletion_protection(), now.copy_tags_to_snapshot(), now.max_allocated_storage()), (Some(true), Some(true), Some(100)));
    rds.wait(120);
    let soon = rds.look("db").await;
    assert_eq!((soon.db_instance_status(), soon.backup_retention_period(), soon.multi_az()), (Some("available"), Some(7), Some(false)));
    let pending = soon.pending_modified_values().unwrap();
    assert_eq!((pending.multi_az(), pending.ca_certificate_identifier()), (Some(true), Some("rds-ca-ecc384-g1")));
    rds.wait(3 * DAY + 5 * 3600 - 120);
    assert_eq!(rds.status("db").await, "modifying");
    rds.wait(300);
    let done = rds.look("db").await;
    assert_eq!((done.multi_az(), done.ca_certificate_identifier()), (Some(true), Some("rds-ca-ecc384-g1")));

    // Asking for what is there takes a waiting change back; asking for anything at once takes all that waits along.
    rds.modify("db").multi_az(false).db_instance_class("db.t3.large").send().await.unwrap();
    rds.modify("db").multi_az(true).send().await.unwrap();
    let pending = rds.look("db").await.pending_modified_values.unwrap();
    assert_eq!((pending.multi_az(), pending.db_instance_class()), (None, Some("db.t3.large")));
    rds.modify("db").apply_immediately(true).send().await.unwrap();
    rds.wait(315);
    assert_eq!(rds.look("db").await.db_instance_class(), Some("db.t3.large"));
}

#[tokio::test]
async fn backups_off_and_on_wait_and_the_first_backup_follows() {
    let rds = rds(ACCOUNT);
    rds.modify("plain").backup_retention_period(7).send().await.unwrap();
    let now = rds.look("plain").await;
    assert_eq!((now.backup_retention_period(), now.pending_modified_values().unwrap().backup_retention_period()), (Some(0), Some(7)));
    rds.modify("plain").backup_retention_period(7).apply_immediately(true).send().await.unwrap();
    rds.wait(75);
    assert_eq!((rds.status("plain").await.as_str(), rds.look("plain").await.backup_retention_period()), ("backing-up", Some(7)));
    // It can be changed meanwhile.
    rds.modify("plain").deletion_protection(true).send().await.unwrap();
    rds.wait(180);
    assert_eq!(rds.status("plain").await, "available");
}

#[tokio::test]
async fn storage_grows_by_a_tenth_at_least_and_then_rests() {
    let rds = rds(ACCOUNT);
    rds.modify("db").allocated_storage(21).apply_immediately(true).send().await.unwrap();
    rds.wait(315);
    let grown = rds.look("db").await;
    assert_eq!((grown.allocated_storage(), grown.db_instance_status()), (Some(22), Some("storage-optimization")));
    let again = rds.modify("db").allocated_storage(40).apply_immediately(true).send();
    assert_eq!(code(again.await.unwrap_err()), "InvalidParameterCombination");
    rds.modify("db").multi_az(true).apply_immediately(true).send().await.unwrap();
    assert_eq!(code(rds.modify("db").allocated_storage(10).send().await.unwrap_err()), "InvalidParameterCombination");
    assert_eq!(code(rds.modify("db").max_allocated_storage(23).send().await.unwrap_err()), "InvalidParameterCombination");
    rds.modify("db").max_allocated_storage(100).send().await.unwrap();
    rds.modify("db").max_allocated_storage(22).send().await.unwrap();
    assert_eq!(rds.look("db").await.max_allocated_storage(), None);
}

#[tokio::test]
async fn monitoring_insights_and_logs() {
    let rds = rds(ACCOUNT);
    let role = "arn:aws:iam::000000000000:role/monitoring";
    assert_eq!(code(rds.modify("db").monitoring_interval(60).send().await.unwrap_err()), "InvalidParameterCombination");
    assert_eq!(code(rds.modify("db").monitoring_role_arn(role).send().await.unwrap_err()), "InvalidParameterCombination");
    assert_eq!(code(rds.modify("db").monitoring_interval(7).monitoring_role_arn(role).send().await.unwrap_err()), "InvalidParameterValue");
    rds.modify("db").monitoring_interval(60).monitoring_role_arn(role).send().await.unwrap();
    rds.wait(15);
    assert_eq!(rds.status("db").await, "configuring-enhanced-monitoring");
    rds.wait(60);
    assert_eq!((rds.look("db").await.monitoring_interval(), rds.look("db").await.monitoring_role_arn()), (Some(60), Some(role)));

    assert_eq!(code(rds.modify("shop").enable_performance_insights(true).send().await.unwrap_err()), "InvalidParameterCombination");
    let days = |days| rds.modify("db").enable_performance_insights(true).performance_insights_retention_period(days).send();
    assert_eq!(code(days(94).await.unwrap_err()), "InvalidParameterValue");
    days(93).await.unwrap();
    rds.wait(75);
    let on = rds.look("db").await;
    assert_eq!((on.performance_insights_enabled(), on.performance_insights_retention_period()), (Some(true), Some(93)));
    assert!(on.performance_insights_kms_key_id().unwrap().starts_with("arn:aws:kms:us-east-1:000000000000:key/"));
    let key = rds.modify("db").performance_insights_kms_key_id("arn:aws:kms:us-east-1:000000000000:key/other").send();
    assert_eq!(code(key.await.unwrap_err()), "InvalidParameterCombination");

    let export = |wanted| rds.modify("db").cloudwatch_logs_export_configuration(wanted).send();
    assert_eq!(code(export(logs(&["slowquery"], &[])).await.unwrap_err()), "InvalidParameterCombination");
    let pending = export(logs(&["postgresql", "upgrade"], &[])).await.unwrap().db_instance.unwrap().pending_modified_values.unwrap();
    assert_eq!(pending.pending_cloudwatch_logs_exports().unwrap().log_types_to_enable(), ["postgresql", "upgrade"]);
    rds.wait(15);
    assert_eq!(rds.status("db").await, "configuring-log-exports");
    rds.wait(60);
    export(logs(&[], &["upgrade"])).await.unwrap();
    rds.wait(75);
    assert_eq!(rds.look("db").await.enabled_cloudwatch_logs_exports(), ["postgresql"]);
}

#[tokio::test]
async fn upgrades_need_consent_and_a_group_of_the_right_family() {
    let rds = rds(ACCOUNT);
    let to = |version: &str| rds.modify("db").engine_version(version).apply_immediately(true);
    assert_eq!(code(to("14.7").send().await.unwrap_err()), "InvalidParameterCombination");
    assert_eq!(code(to("14.99").send().await.unwrap_err()), "InvalidParameterCombination");
    assert_eq!(code(to("15.7").send().await.unwrap_err()), "InvalidParameterCombination");
    let wrong = to("15.7").allow_major_version_upgrade(true).db_parameter_group_name("own14").send();
    assert_eq!(code(wrong.await.unwrap_err()), "InvalidParameterCombination");
    to("15.7").allow_major_version_upgrade(true).send().await.unwrap();
    rds.wait(15);
    assert_eq!(rds.status("db").await, "upgrading");
    rds.wait(900);
    let done = rds.look("db").await;
    assert_eq!(
        (done.engine_version(), done.db_parameter_groups()[0].db_parameter_group_name()),
        (Some("15.7"), Some("default.postgres15"))
    );
    assert_eq!(rds.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
}

#[tokio::test]
async fn what_an_instance_refuses() {
    let rds = rds(ACCOUNT);
    assert_eq!(code(rds.modify("nobody").multi_az(true).send().await.unwrap_err()), "DBInstanceNotFound");
    assert_eq!(code(rds.modify("db").backup_retention_period(36).send().await.unwrap_err()), "InvalidParameterValue");
    assert_eq!(code(rds.modify("db").preferred_backup_window("3-4").send().await.unwrap_err()), "InvalidParameterValue");
    assert_eq!(code(rds.modify("db").preferred_backup_window("05:00-05:30").send().await.unwrap_err()), "InvalidParameterCombination");
    assert_eq!(
        code(rds.modify("db").preferred_maintenance_window("sun:05:00-sun:05:10").send().await.unwrap_err()),
        "InvalidParameterValue"
    );
    assert_eq!(code(rds.modify("db").ca_certificate_identifier("mine").send().await.unwrap_err()), "CertificateNotFound");
    assert_eq!(code(rds.modify("db").db_parameter_group_name("nobody").send().await.unwrap_err()), "DBParameterGroupNotFound");
    assert_eq!(code(rds.modify("db").db_instance_class("huge").send().await.unwrap_err()), "InvalidParameterValue");
    // A member that the sandbox does not act on is no silent success.
    assert_eq!(code(rds.modify("db").option_group_name("x").send().await.unwrap_err()), "NotImplemented");
    assert_eq!(code(rds.client.describe_db_clusters().send().await.unwrap_err()), "NotImplemented");
    let failover = rds.client.reboot_db_instance().db_instance_identifier("db").force_failover(true).send();
    assert_eq!(code(failover.await.unwrap_err()), "InvalidParameterCombination");
    // Nothing of a refused request is done.
    let half = rds.modify("db").deletion_protection(true).backup_retention_period(99).send();
    assert_eq!(code(half.await.unwrap_err()), "InvalidParameterValue");
    assert_eq!(rds.look("db").await.deletion_protection(), Some(false));
}

#[tokio::test]
async fn deleting_stopping_and_starting() {
    let rds = rds(ACCOUNT);
    let delete = || rds.client.delete_db_instance().db_instance_identifier("db");
    rds.modify("db").deletion_protection(true).send().await.unwrap();
    assert_eq!(code(delete().skip_final_snapshot(true).send().await.unwrap_err()), "InvalidParameterCombination");
    rds.modify("db").deletion_protection(false).send().await.unwrap();
    assert_eq!(code(delete().send().await.unwrap_err()), "InvalidParameterCombination");
    delete().final_db_snapshot_identifier("last").send().await.unwrap();
    assert_eq!(rds.status("db").await, "deleting");
    assert_eq!(code(delete().skip_final_snapshot(true).send().await.unwrap_err()), "InvalidDBInstanceState");
    rds.wait(240);
    let gone = rds.client.describe_db_instances().db_instance_identifier("db").send();
    assert_eq!(code(gone.await.unwrap_err()), "DBInstanceNotFound");
    assert!(rds.sandbox.world().rds.snapshots.contains_key("last"));

    rds.client.stop_db_instance().db_instance_identifier("plain").send().await.unwrap();
    rds.wait(180);
    assert_eq!(rds.status("plain").await, "stopped");
    assert_eq!(code(rds.modify("plain").multi_az(true).send().await.unwrap_err()), "InvalidDBInstanceState");
    rds.client.start_db_instance().db_instance_identifier("plain").send().await.unwrap();
    rds.wait(300);
    assert_eq!(rds.status("plain").await, "available");
}

#[tokio::test]
async fn instances_come_in_pages_and_by_filter() {
    let many: Vec<String> = (0..45).map(|number| format!("db-{number:02}: {{}}")).collect();
    let rds = rds(&format!("rds: {{instances: {{{}, shop: {{engine: mysql}}}}}}", many.join(", ")));
    let pages = rds.client.describe_db_instances().into_paginator().page_size(20).send().collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.db_instances().len()).collect::<Vec<_>>(), [20, 20, 6]);
    assert_eq!(code(rds.client.describe_db_instances().max_records(5).send().await.unwrap_err()), "InvalidParameterValue");
    let by = |wanted| rds.client.describe_db_instances().filters(wanted).send();
    assert_eq!(by(filter("engine", "mysql")).await.unwrap().db_instances().len(), 1);
    let resource = rds.look("db-07").await.dbi_resource_id.unwrap();
    let found = by(filter("dbi-resource-id", &resource)).await.unwrap();
    assert_eq!(found.db_instances()[0].db_instance_identifier(), Some("db-07"));
    assert_eq!(by(filter("db-instance-id", "nobody")).await.unwrap().db_instances().len(), 0);
    assert_eq!(code(by(filter("colour", "red")).await.unwrap_err()), "InvalidParameterValue");
}

#[tokio::test]
async fn tags_and_what_rds_offers() {
    let rds = rds(ACCOUNT);
    let arn = rds.look("db").await.db_instance_arn.unwrap();
    rds.client.add_tags_to_resource().resource_name(&arn).tags(tag("team", "data")).tags(tag("tier", "1")).send().await.unwrap();
    rds.client.remove_tags_from_resource().resource_name(&arn).tag_keys("tier").send().await.unwrap();
    let tags = rds.client.list_tags_for_resource().resource_name(&arn).send().await.unwrap();
    assert_eq!(tags.tag_list(), [tag("team", "data")]);
    assert_eq!(rds.look("db").await.tag_list(), [tag("team", "data")]);
    for (key, value) in [("aws:x", "1"), ("AWS:x", "1"), ("rds:x", "1"), ("cost(center)", "1"), ("k", "a;b")] {
        let refused = rds.client.add_tags_to_resource().resource_name(&arn).tags(tag(key, value)).send();
        assert_eq!(code(refused.await.unwrap_err()), "InvalidParameterValue", "{key} {value}");
    }
    let nobody = rds.client.list_tags_for_resource().resource_name(format!("{arn}x")).send();
    assert_eq!(code(nobody.await.unwrap_err()), "DBInstanceNotFound");

    let version = rds.client.describe_db_engine_versions().engine("postgres").engine_version("14.9").send().await.unwrap();
    let [version] = version.db_engine_versions() else { panic!("one version expected") };
    assert_eq!(version.db_parameter_group_family(), Some("postgres14"));
    assert!(
        version
            .valid_upgrade_target()
            .iter()
            .any(|target| target.engine_version() == Some("15.7") && target.is_major_version_upgrade() == Some(true))
    );
    let newest = rds.client.describe_db_engine_versions().engine("postgres").default_only(true).send().await.unwrap();
    assert_eq!(newest.db_engine_versions()[0].engine_version(), Some("17.4"));
    let certificates = rds.client.describe_certificates().send().await.unwrap();
    assert_eq!(certificates.certificates().len(), 4);
    assert!(rds.client.describe_pending_maintenance_actions().send().await.unwrap().pending_maintenance_actions().is_empty());
}

#[tokio::test]
async fn an_account_can_be_found_in_the_middle_of_things() {
    let rds = rds("
rds:
  instances:
    busy: {engineVersion: '14.9', status: modifying}
    saving: {engineVersion: '14.9', status: backing-up}
    full: {engineVersion: '14.9', status: storage-full}
    stale: {engineVersion: '14.9', parameterGroup: own, pendingReboot: true}
    waiting: {engineVersion: '14.9', pending: {multiAz: true}}
  parameterGroups: {own: {family: postgres14, parameters: {rds.force_ssl: 1}}}
");
    assert_eq!((rds.status("busy").await.as_str(), rds.status("saving").await.as_str()), ("modifying", "backing-up"));
    assert_eq!(
        (rds.apply_status("stale").await.as_str(), rds.in_force("stale", "rds.force_ssl").as_deref()),
        ("pending-reboot", Some("0"))
    );
    rds.wait(300);
    assert_eq!((rds.status("busy").await.as_str(), rds.status("saving").await.as_str()), ("available", "available"));
    assert_eq!(code(rds.modify("full").multi_az(true).send().await.unwrap_err()), "InvalidDBInstanceState");
    rds.reboot("stale").await;
    assert_eq!((rds.apply_status("stale").await.as_str(), rds.in_force("stale", "rds.force_ssl").as_deref()), ("in-sync", Some("1")));
    rds.wait(7 * DAY);
    assert_eq!(rds.look("waiting").await.multi_az(), Some(true));
}

#[test]
fn an_account_is_written_by_hand_and_read_back() {
    let world: crate::sandbox::world::World = serde_yaml::from_str(ACCOUNT).unwrap();
    let again: crate::sandbox::world::World = serde_yaml::from_str(&serde_yaml::to_string(&world).unwrap()).unwrap();
    assert_eq!(world, again);
    assert!(serde_yaml::from_str::<crate::sandbox::world::World>("rds: {instances: {db: {retention: 1}}}").is_err());
}
