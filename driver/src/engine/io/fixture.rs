use howdah_paramserver::server::Paramserver;
use howdah_proto::{
    settings::{Combine, Correction, Mode, Pace, PushEvery, ShardSpec, StalenessScale, UpdateRule},
    transport,
};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

/// An address where nobody is.
pub(super) const NOBODY: &str = "http://127.0.0.1:1";

pub(super) const SPEC: ShardSpec = ShardSpec {
    rule: UpdateRule::Sum,
    correction: Correction { scale: StalenessScale::None, delay_compensation: None },
    mode: Mode::Asynchronous { push_every: PushEvery::Epoch },
    combine: Combine::Mean,
    pace: Pace::CONSTANT,
    average: None,
};

pub(super) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

pub(super) async fn serve(paramserver: Paramserver, listener: TcpListener) {
    let server = transport::server().add_routes(paramserver.routes());
    server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
}
