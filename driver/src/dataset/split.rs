use howdah_executor::random::Random;
use sha2::{Digest, Sha256};

use super::PictureFile;

/// Whether a picture is held out: decided by a hash of its relative path alone, so that the split never moves
/// when pictures are added or taken away.
pub(super) fn is_held_out(relative: &str, fraction: f64) -> bool {
    is_among(Sha256::digest(relative.as_bytes()).as_slice(), fraction)
}

/// Splits training pictures into those to train on and those to validate with, by another hash of their relative
/// paths.
pub fn split_validation(train: Vec<PictureFile>, fraction: f64) -> (Vec<PictureFile>, Vec<PictureFile>) {
    train.into_iter().partition(|file| !is_for_validation(&file.relative, fraction))
}

fn is_for_validation(relative: &str, fraction: f64) -> bool {
    let salted = Sha256::new().chain_update(b"validation/").chain_update(relative.as_bytes());
    is_among(salted.finalize().as_slice(), fraction)
}

/// Whether a hash is among the lowest fraction of all.
fn is_among(hash: &[u8], fraction: f64) -> bool {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    (u64::from_le_bytes(first) as f64) < fraction * (u64::MAX as f64)
}

/// Puts items in an order that depends on the seed alone (Fisher and Yates).
pub fn shuffled<T>(mut items: Vec<T>, seed: u64) -> Vec<T> {
    Random::new(&[seed, 0x7368_7566]).shuffle(&mut items);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_holds_out_about_the_fraction_and_never_moves() {
        let held = (0..10_000).filter(|i| is_held_out(&format!("cats/{i}.jpg"), 0.2)).count();
        assert!((1_850..2_150).contains(&held), "{held}");
        assert!(is_held_out("cats/7.jpg", 0.2) == is_held_out("cats/7.jpg", 0.2));
        // A larger fraction holds out everything that a smaller one does.
        for i in 0..1_000 {
            let name = format!("dogs/{i}.jpg");
            assert!(!is_held_out(&name, 0.1) || is_held_out(&name, 0.3));
        }
    }

    #[test]
    fn the_validation_split_is_of_the_fraction_and_has_nothing_to_do_with_the_test_split() {
        let names: Vec<String> = (0..10_000).map(|i| format!("cats/{i}.jpg")).collect();
        let train: Vec<&String> = names.iter().filter(|name| !is_held_out(name, 0.2)).collect();
        let validation = train.iter().filter(|name| is_for_validation(name, 0.2)).count();
        let share = validation as f64 / train.len() as f64;
        assert!((0.185..0.215).contains(&share), "{share}");
    }

    #[test]
    fn a_shuffle_is_a_permutation_that_the_seed_decides() {
        let order = shuffled((0..100).collect(), 1);
        assert_eq!(order, shuffled((0..100).collect(), 1));
        assert_ne!(order, shuffled((0..100).collect::<Vec<i32>>(), 2));
        let mut sorted = order;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
