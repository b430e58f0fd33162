#[tokio::test]
async fn sizes() {
    let clock = crate::clock::Clock::simulated("2026-01-01T00:00:00Z".parse().unwrap());
    let sandbox = crate::sandbox::Sandbox::from_yaml("account: '317805897534'", crate::sandbox::Options { clock, ..Default::default() }).unwrap();
    let connect = crate::aws::ConnectOptions { account: "317805897534".into(), region: "us-east-1".into(), embedded: Some(sandbox.http_client()), ..Default::default() };
    let f = crate::aws::connect(&connect);
    eprintln!("connect {}", std::mem::size_of_val(&f));
    let reads = Box::pin(f).await.unwrap().reads;
    eprintln!("describe {}", std::mem::size_of_val(&reads.rds().describe_db_instances(|r| r)));
    let spec = crate::kinds::rds::InstanceSpec::default();
    let scope = crate::kinds::Scope { object: "a".into(), account: "a".into(), region: "a".into(), partition: "aws".into() };
    let want = crate::kinds::FactSet::new([]);
    let target = crate::kinds::Target { scope: &scope, id: "x", spec: &spec };
    eprintln!("observe {}", std::mem::size_of_val(&crate::kinds::rds::observe::observe(&reads, &target, &want)));
}
