//! What the exchange of weights costs, beside a raw TCP exchange of the same bytes in the same run.
//!
//! `cargo bench --workspace --bench exchange -- [PART...]`, where the parts are `throughput`, `latency`,
//! `sizes` and `encodings`; all of them without any. Servers are processes of their own.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]

mod clients;
mod measure;
mod parts;
mod processes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    howdah_paramserver::role::memory::lend_freed();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.first().map(String::as_str) {
        Some("serve") => processes::serve(),
        Some("serve-tcp") => processes::serve_tcp(),
        Some("client") => clients::run(&args[1..]),
        _ => {
            let wants = |part: &str| args.is_empty() || args.iter().any(|arg| arg == part);
            if wants("throughput") {
                parts::throughput();
            }
            if wants("latency") {
                parts::latency();
            }
            if wants("sizes") {
                parts::sizes();
            }
            if wants("encodings") {
                parts::encodings();
            }
        }
    }
}
