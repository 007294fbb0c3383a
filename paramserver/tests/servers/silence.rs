use howdah_paramserver::server::Paramserver;
use howdah_proto::{
    pb::{push_reply::Outcome, push_request},
    transport,
};
use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, sync::mpsc, time::Instant};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{Code, Status, transport::Channel};

use crate::fixture::{SPEC, ShardAt};

const VALUES: usize = 40_000;

/// A connection within this process, so that a clock that stands still holds for both sides.
async fn connect(paramserver: &Paramserver) -> Channel {
    let (here, there) = tokio::io::duplex(1 << 20);
    let incoming =
        tokio_stream::once(Ok::<DuplexStream, std::io::Error>(there)).chain(tokio_stream::pending());
    tokio::spawn(transport::server().add_routes(paramserver.routes()).serve_with_incoming(incoming));
    let mut here = Some(TokioIo::new(here));
    let connector = tower::service_fn(move |_| {
        let stream = here.take().ok_or_else(|| std::io::Error::other("it was connected before"));
        std::future::ready(stream)
    });
    transport::endpoint("http://within:1").unwrap().connect_with_connector(connector).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pusher_that_falls_silent_gives_its_room_to_another_and_leaves_no_trace() {
    let room_for_one = size_of::<[f32; VALUES]>() as u64;
    let paramserver = Paramserver::new(room_for_one);
    let shard = ShardAt::on(connect(&paramserver).await, 0, 1);
    shard.create(0, VALUES as u64, &SPEC).await.unwrap();

    let (parts, sent) = mpsc::channel(1);
    let silent = tokio::spawn({
        let shard = shard.clone();
        async move { shard.exchange().push(ReceiverStream::new(sent)).await }
    });
    let part = |part| howdah_proto::pb::PushRequest { part: Some(part) };
    parts.send(part(push_request::Part::Header(shard.header(0, 1)))).await.unwrap();
    let half = vec![0; VALUES * size_of::<f32>() / 2];
    parts.send(part(push_request::Part::Data(half.into()))).await.unwrap();
    // It has been sent, and more is to come.
    let _open = parts.reserve().await.unwrap();

    let begun = Instant::now();
    let pushed = loop {
        match shard.push_ones(VALUES, 1, 1).await {
            Err(status) if status.code() == Code::Unavailable && begun.elapsed().as_secs() < 60 => {}
            ended => break ended.unwrap(),
        }
    };
    assert_eq!(pushed.outcome(), Outcome::Applied);
    let waited = begun.elapsed().as_secs();
    assert!((29..60).contains(&waited), "{waited} s");
    let told: Status = silent.await.unwrap().unwrap_err();
    assert_eq!(told.code(), Code::DeadlineExceeded, "{told}");
    assert_eq!(shard.pull().await, vec![1.0; VALUES]);
    assert_eq!(shard.marks().await, [(1, 1)]);
    // It may come again.
    assert_eq!(shard.push_ones(VALUES, 0, 1).await.unwrap().outcome(), Outcome::Applied);
}
