//! The encodings against a copy of the same values: `cargo bench --workspace --bench codec`.

#![allow(clippy::print_stdout)]

use std::{hint::black_box, time::Instant};

use howdah_paramserver::codec::{Residual, decode, encode};
use howdah_proto::settings::Encoding;

/// The parameters of a network 16384-256-128-1.
const VALUES: usize = 4_227_585;
const ROUNDS: usize = 15;

fn main() {
    let values: Vec<f32> = (0..VALUES).map(|value| noise(value as u64)).collect();
    let mut copy = vec![0f32; VALUES];
    let before: Vec<f32> = values.iter().map(|value| value * 1e-3).collect();
    let mut after = vec![0f32; VALUES];
    let mut bytes = Vec::new();
    let memcpy = median_ms(|| copy.copy_from_slice(black_box(&values)));
    println!("a copy of {VALUES} values: {memcpy:.2} ms");
    println!("{:<22}{:>26}{:>26}{:>26}{:>10}", "", "encode", "with residual", "decode", "bytes");
    let encodings = [
        ("f32", Encoding::F32),
        ("bf16", Encoding::Bf16),
        ("f16", Encoding::F16),
        ("int8", Encoding::Int8),
        ("top 1 %", Encoding::TopK { permille: 10 }),
        ("top 10 %", Encoding::TopK { permille: 100 }),
    ];
    for (name, encoding) in encodings {
        let with = median_ms(|| {
            let residual = Residual { before: black_box(&before), after: &mut after };
            encode(encoding, black_box(&values), Some(residual), &mut bytes);
        });
        let plain = median_ms(|| encode(encoding, black_box(&values), None, &mut bytes));
        let back = median_ms(|| assert!(decode(encoding, black_box(&bytes), &mut copy).is_ok()));
        let column = |ms: f64| format!("{ms:.2} ms, {:.1} copies", ms / memcpy);
        let share = bytes.len() as f64 / size_of_val(&*values) as f64;
        println!("{name:<22}{:>26}{:>26}{:>26}{share:>10.4}", column(plain), column(with), column(back));
    }
}

/// About normally distributed.
fn noise(value: u64) -> f32 {
    let mut state = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    (0..4).fold(-2.0, |sum, _| {
        state = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        sum + (state >> 40) as f32 / (1u32 << 24) as f32
    })
}

fn median_ms(mut work: impl FnMut()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}
