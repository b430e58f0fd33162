use super::*;

const REBOOT: ApplyMethod = ApplyMethod::PendingReboot;
const NOW: ApplyMethod = ApplyMethod::Immediate;

#[tokio::test]
async fn a_new_group_is_in_force_only_after_a_reboot() {
    let rds = rds(ACCOUNT);
    let create = rds.client.create_db_parameter_group().db_parameter_group_name("Tight14").db_parameter_group_family("postgres14");
    let made = create.description("tight").tags(tag("made-by", "test")).send().await.unwrap().db_parameter_group.unwrap();
    assert_eq!(made.db_parameter_group_name(), Some("tight14"));
    rds.wait(300);
    rds.set("tight14", vec![parameter("rds.force_ssl", "1", REBOOT), parameter("log_min_duration_statement", "500", NOW)]).await.unwrap();

    rds.modify("plain").db_parameter_group_name("tight14").apply_immediately(true).send().await.unwrap();
    assert_eq!(rds.apply_status("plain").await, "applying");
    rds.wait(30);
    assert_eq!(rds.apply_status("plain").await, "pending-reboot");
    // Not even the maintenance window applies it.
    rds.wait(8 * 24 * 3600);
    assert_eq!(rds.apply_status("plain").await, "pending-reboot");
    assert_eq!(rds.in_force("plain", "rds.force_ssl").as_deref(), Some("0"));
    assert_eq!(rds.in_force("plain", "log_min_duration_statement"), None);
    // A dynamic parameter of the new group is, on its own.
    rds.set("tight14", vec![parameter("log_connections", "1", NOW)]).await.unwrap();
    rds.wait(30);
    assert_eq!(rds.in_force("plain", "log_connections").as_deref(), Some("1"));
    assert_eq!(rds.apply_status("plain").await, "pending-reboot");

    rds.reboot("plain").await;
    assert_eq!(rds.apply_status("plain").await, "in-sync");
    assert_eq!(rds.in_force("plain", "rds.force_ssl").as_deref(), Some("1"));
    assert_eq!(rds.in_force("plain", "log_min_duration_statement").as_deref(), Some("500"));
}

#[tokio::test]
async fn a_group_that_is_not_complete_yet_does_nothing_at_a_reboot() {
    let rds = rds(ACCOUNT);
    let copy = rds.client.copy_db_parameter_group().source_db_parameter_group_identifier("own14");
    copy.target_db_parameter_group_identifier("copy").target_db_parameter_group_description("a copy").send().await.unwrap();
    rds.modify("plain").db_parameter_group_name("copy").send().await.unwrap();
    rds.reboot("plain").await;
    assert_eq!((rds.apply_status("plain").await.as_str(), rds.in_force("plain", "work_mem")), ("pending-reboot", None));
    rds.wait(300);
    rds.reboot("plain").await;
    assert_eq!((rds.apply_status("plain").await.as_str(), rds.in_force("plain", "work_mem")), ("in-sync", Some("4096".to_owned())));
}

#[tokio::test]
async fn dynamic_parameters_apply_at_once_and_static_ones_with_a_reboot() {
    let rds = rds(ACCOUNT);
    assert_eq!(rds.apply_status("db").await, "in-sync");
    rds.set("own14", vec![parameter("log_statement", "ddl", NOW)]).await.unwrap();
    assert_eq!(rds.apply_status("db").await, "applying");
    assert_eq!(rds.in_force("db", "log_statement"), None);
    rds.wait(30);
    assert_eq!(rds.apply_status("db").await, "in-sync");
    assert_eq!(rds.in_force("db", "log_statement").as_deref(), Some("ddl"));

    // A dynamic one can be made to wait, too.
    rds.set("own14", vec![parameter("log_statement", "all", REBOOT)]).await.unwrap();
    assert_eq!(rds.apply_status("db").await, "pending-reboot");
    assert_eq!(rds.in_force("db", "log_statement").as_deref(), Some("ddl"));
    // What is set while the database starts has missed the start.
    rds.client.reboot_db_instance().db_instance_identifier("db").send().await.unwrap();
    rds.set("own14", vec![parameter("rds.force_ssl", "1", REBOOT), parameter("log_connections", "1", NOW)]).await.unwrap();
    rds.wait(60);
    assert_eq!(rds.in_force("db", "log_statement").as_deref(), Some("all"));
    assert_eq!(rds.in_force("db", "log_connections").as_deref(), Some("1"));
    assert_eq!(rds.in_force("db", "rds.force_ssl").as_deref(), Some("0"));
    assert_eq!(rds.apply_status("db").await, "pending-reboot");
    rds.reboot("db").await;
    assert_eq!(rds.apply_status("db").await, "in-sync");

    // Everything back to the defaults: the dynamic ones now, the static one later.
    rds.client.reset_db_parameter_group().db_parameter_group_name("own14").reset_all_parameters(true).send().await.unwrap();
    rds.wait(30);
    assert_eq!(rds.in_force("db", "work_mem"), None);
    assert_eq!(rds.in_force("db", "rds.force_ssl").as_deref(), Some("1"));
    assert_eq!(rds.apply_status("db").await, "pending-reboot");
}

#[tokio::test]
async fn a_reboot_with_failover_leaves_parameters_as_they_were() {
    let rds = rds(
        "rds: {instances: {db: {engineVersion: '14.9', multiAz: true, parameterGroup: own}}, parameterGroups: {own: {family: postgres14}}}",
    );
    rds.set("own", vec![parameter("rds.force_ssl", "1", REBOOT)]).await.unwrap();
    rds.client.reboot_db_instance().db_instance_identifier("db").force_failover(true).send().await.unwrap();
    rds.wait(120);
    assert_eq!((rds.status("db").await.as_str(), rds.apply_status("db").await.as_str()), ("available", "pending-reboot"));
}

#[tokio::test]
async fn what_a_group_refuses() {
    let rds = rds(ACCOUNT);
    let refused =
        async |group: &str, name: &str, value: &str, method| rds.set(group, vec![parameter(name, value, method)]).await.unwrap_err();
    assert_eq!(refused("default.postgres14", "work_mem", "4096", NOW).await, "InvalidParameterValue");
    assert_eq!(refused("nobody", "work_mem", "4096", NOW).await, "DBParameterGroupNotFound");
    assert_eq!(refused("own14", "rds.force_ssl", "1", NOW).await, "InvalidParameterCombination");
    assert_eq!(refused("own14", "rds.force_ssl", "on", REBOOT).await, "InvalidParameterValue");
    assert_eq!(refused("own14", "work_memory", "1", NOW).await, "InvalidParameterValue");
    assert_eq!(refused("own14", "ssl", "0", REBOOT).await, "InvalidParameterValue");
    assert_eq!(refused("own14", "work_mem", "4096", ApplyMethod::from("tomorrow")).await, "InvalidParameterValue");
    let many = super::super::parameters::of("postgres14").unwrap().into_iter().filter(|known| known.modifiable).take(21);
    let many: Vec<Parameter> = many.map(|known| parameter(known.name, known.default.unwrap_or("0"), REBOOT)).collect();
    assert_eq!(many.len(), 21);
    assert_eq!(rds.set("own14", many).await.unwrap_err(), "InvalidParameterValue");
    // One bad value, and nothing of the request is done.
    let both = vec![parameter("work_mem", "8192", NOW), parameter("log_statement", "some", NOW)];
    assert_eq!(rds.set("own14", both).await.unwrap_err(), "InvalidParameterValue");
    assert_eq!(rds.in_force("db", "work_mem").as_deref(), Some("4096"));

    let create = |name: &str, family: &str| {
        rds.client.create_db_parameter_group().db_parameter_group_name(name).db_parameter_group_family(family).description("x").send()
    };
    assert_eq!(code(create("own14", "postgres14").await.unwrap_err()), "DBParameterGroupAlreadyExists");
    assert_eq!(code(create("new", "postgres9").await.unwrap_err()), "InvalidParameterValue");
    assert_eq!(code(create("-new", "postgres14").await.unwrap_err()), "InvalidParameterValue");
    let copy = rds.client.copy_db_parameter_group().source_db_parameter_group_identifier("default.postgres14");
    let copy = copy.target_db_parameter_group_identifier("copy").target_db_parameter_group_description("x").send();
    assert_eq!(code(copy.await.unwrap_err()), "InvalidParameterValue");
    let delete = |name: &str| rds.client.delete_db_parameter_group().db_parameter_group_name(name).send();
    assert_eq!(code(delete("own14").await.unwrap_err()), "InvalidDBParameterGroupState");
    create("unused", "postgres15").await.unwrap();
    assert_eq!(code(rds.modify("db").db_parameter_group_name("unused").send().await.unwrap_err()), "InvalidParameterCombination");
    delete("unused").await.unwrap();
    rds.sandbox.edit(|world| world.rds.parameter_group_quota = Some(1));
    assert_eq!(code(create("one-more", "postgres14").await.unwrap_err()), "DBParameterGroupQuotaExceeded");
    assert_eq!(code(delete("unused").await.unwrap_err()), "DBParameterGroupNotFound");
}

#[tokio::test]
async fn parameters_come_in_pages_and_by_source() {
    let rds = rds(&format!("pageSize: 7\n{ACCOUNT}"));
    let all = |group: &str, source: Option<&str>| {
        let describe = rds.client.describe_db_parameters().db_parameter_group_name(group).set_source(source.map(str::to_owned));
        describe.into_paginator().items().send().collect::<Result<Vec<Parameter>, _>>()
    };
    let known = super::super::parameters::of("postgres14").unwrap();
    let found = all("own14", None).await.unwrap();
    assert_eq!(
        found.iter().filter_map(Parameter::parameter_name).collect::<Vec<_>>(),
        known.iter().map(|known| known.name).collect::<Vec<_>>()
    );
    let user = all("own14", Some("user")).await.unwrap();
    let [work_mem] = user.as_slice() else { panic!("{user:?}") };
    assert_eq!((work_mem.parameter_value(), work_mem.source(), work_mem.apply_type()), (Some("4096"), Some("user"), Some("dynamic")));
    let unset = found.iter().find(|found| found.parameter_name() == Some("log_statement")).unwrap();
    assert_eq!((unset.parameter_value(), unset.source(), unset.is_modifiable()), (None, Some("engine-default"), Some(true)));
    assert_eq!(code(all("own14", Some("mine")).await.unwrap_err()), "InvalidParameterValue");

    let defaults = rds.client.describe_engine_default_parameters().db_parameter_group_family("postgres16").into_paginator().items().send();
    let defaults = defaults.collect::<Result<Vec<_>, _>>().await.unwrap();
    let ssl = defaults.iter().find(|found| found.parameter_name() == Some("rds.force_ssl")).unwrap();
    assert_eq!((ssl.parameter_value(), ssl.apply_type()), (Some("1"), Some("dynamic")));
    let groups = rds.client.describe_db_parameter_groups().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap();
    let names: Vec<_> = groups.iter().filter_map(|group| group.db_parameter_group_name()).collect();
    assert_eq!(names, ["default.mysql8.0", "default.postgres14", "own14"]);
}
