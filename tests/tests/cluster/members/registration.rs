//! The driver's services check what they are told, and say what is wrong.

use howdah_driver::client::Client;
use howdah_executor::{inference, rdd::Registry, vision};
use howdah_proto::{
    PROTOCOL_VERSION,
    event::Event,
    pb::{
        self, files_client::FilesClient, membership_client::MembershipClient, refused::Reason,
        register_reply::Outcome, register_request::Role,
    },
    registry::{OperatorVersions, registry_hash, to_wire},
    transport::connect,
};
use howdah_tests::{cluster::Cluster, pictures::Pictures, settings::learning};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

fn operators() -> OperatorVersions {
    let mut registry = Registry::new();
    vision::register(&mut registry);
    inference::register(&mut registry);
    registry.versions()
}

fn request(operators: &OperatorVersions) -> pb::RegisterRequest {
    pb::RegisterRequest {
        protocol_version: PROTOCOL_VERSION,
        software_version: "9.9.9".to_owned(),
        registry_hash: registry_hash(operators).to_vec().into(),
        operators: to_wire(operators),
        name: "stranger".to_owned(),
        address: "http://127.0.0.1:9".to_owned(),
        role: Some(Role::Executor(pb::ExecutorRole { slots: 1, memory_bytes: 0 })),
    }
}

fn register(cluster: &Cluster, request: pb::RegisterRequest) -> Outcome {
    let reply = cluster.block_on(async {
        let mut driver = MembershipClient::new(connect(cluster.url()).await.unwrap());
        driver.register(request).await.unwrap().into_inner()
    });
    reply.outcome.unwrap()
}

fn refusal(cluster: &Cluster, request: pb::RegisterRequest) -> (Reason, String) {
    match register(cluster, request) {
        Outcome::Refused(refused) => (refused.reason(), refused.message),
        Outcome::Accepted(accepted) => panic!("{accepted:?}"),
    }
}

#[test]
fn a_member_of_another_version_or_with_other_operators_is_refused_by_name() {
    let cluster = Cluster::start();
    let same = operators();
    assert!(matches!(register(&cluster, request(&same)), Outcome::Accepted(_)));

    let newer = pb::RegisterRequest { protocol_version: PROTOCOL_VERSION + 1, ..request(&same) };
    let (reason, message) = refusal(&cluster, newer);
    assert_eq!(reason, Reason::ProtocolVersion);
    assert!(message.contains("stranger") && message.contains("9.9.9"), "{message}");

    let mut other = same.clone();
    let (removed, _) = other.pop_first().unwrap();
    other.insert("invented".to_owned(), 1);
    let (reason, message) = refusal(&cluster, request(&other));
    assert_eq!(reason, Reason::Registry);
    for name in ["stranger", removed.as_str(), "invented"] {
        assert!(message.contains(name), "no `{name}` in: {message}");
    }
}

#[test]
fn a_registration_that_makes_no_sense_is_refused() {
    let cluster = Cluster::start();
    let same = operators();
    let slots = |slots| Some(Role::Executor(pb::ExecutorRole { slots, memory_bytes: 0 }));
    for nonsense in [
        pb::RegisterRequest { role: slots(0), ..request(&same) },
        pb::RegisterRequest { role: slots(u32::MAX), ..request(&same) },
        pb::RegisterRequest { role: None, ..request(&same) },
        pb::RegisterRequest { address: "next door".to_owned(), ..request(&same) },
        pb::RegisterRequest { name: "n".repeat(10_000), ..request(&same) },
    ] {
        assert_eq!(refusal(&cluster, nonsense).0, Reason::BadRequest);
    }
}

#[test]
fn beats_of_an_unknown_registration_are_answered_with_not_found() {
    let cluster = Cluster::start();
    let Outcome::Accepted(accepted) = register(&cluster, request(&operators())) else {
        panic!("refused");
    };
    let beat = |member_id, session| pb::Beat { member_id, session, sequence: 1, ..pb::Beat::default() };
    let answer = |beat| {
        cluster.block_on(async {
            let mut driver = MembershipClient::new(connect(cluster.url()).await.unwrap());
            let beats = futures::stream::iter([beat]);
            driver.liveness(beats).await.unwrap().into_inner().message().await
        })
    };
    let (member, session) = (accepted.member_id, accepted.session);
    assert_eq!(answer(beat(member, session ^ 1)).unwrap_err().code(), Code::NotFound);
    assert_eq!(answer(beat(member + 1_000, session)).unwrap_err().code(), Code::NotFound);
    // The registration itself has suffered nothing by that.
    assert_eq!(answer(beat(member, session)).unwrap().map(|reply| reply.sequence), Some(1));
}

#[test]
fn the_driver_gives_out_the_pictures_of_live_jobs_and_nothing_else() {
    let pictures = Pictures::draw(20);
    let cluster = Cluster::start();
    // Without members it waits, and lives.
    let mut job = cluster.submit(&learning(&pictures.data));
    job.wait_for("the wait for members", |event| matches!(event, Event::Waiting { .. }).then_some(()));
    let id = job.id.0;
    let read = |job_id, indexes: Vec<u32>| {
        cluster.block_on(async {
            let mut driver = FilesClient::new(connect(cluster.url()).await.unwrap());
            let mut chunks = driver.read(pb::FilesRequest { job_id, indexes }).await?.into_inner();
            chunks.message().await
        })
    };
    let refused = |job_id, indexes| read(job_id, indexes).unwrap_err().code();
    assert!(read(id, vec![0, 19]).unwrap().is_some());
    assert_eq!(refused(id, vec![0, 20]), Code::InvalidArgument);
    assert_eq!(refused(id, vec![0; 1 << 20]), Code::InvalidArgument);
    assert_eq!(refused(id + 1, vec![0]), Code::NotFound);
    let mut client = cluster.block_on(Client::connect(cluster.url())).unwrap();
    cluster.block_on(client.cancel(job.id, "seen enough")).unwrap();
    job.wait_for("the end of the job", |event| matches!(event, Event::JobCancelled { .. }).then_some(()));
    assert_eq!(refused(id, vec![0]), Code::NotFound);
}

#[test]
fn every_role_says_that_it_is_healthy() {
    let cluster = Cluster::start();
    let _members = [cluster.executor("executor"), cluster.paramserver("paramserver")];
    cluster.block_on(async {
        let members = Client::connect(cluster.url()).await.unwrap().members().await.unwrap();
        let mut addresses: Vec<String> = members.into_iter().map(|member| member.address).collect();
        addresses.push(cluster.url().to_owned());
        assert_eq!(addresses.len(), 3);
        for address in addresses {
            let mut health = HealthClient::new(connect(&address).await.unwrap());
            let answer = health.check(HealthCheckRequest { service: String::new() }).await.unwrap();
            assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{address}");
        }
    });
}
