//! What the allocator does with memory that is free.

use libmimalloc_sys::{mi_option_set_enabled, mi_option_t};

/// `mi_option_purge_decommits` of mimalloc's `mi_option_e`, which its bindings leave out.
const PURGE_DECOMMITS: mi_option_t = 5;

/// Leaves freed memory where it is until the system needs it, which is told that it may take it.
///
/// Weights come and go in buffers of the same sizes with every exchange. Given back at once, each would be fetched and
/// cleared again a moment later, which is a tenth of an exchange.
pub fn lend_freed() {
    // SAFETY: it sets a word of the allocator's own, which it reads whenever it would give memory back.
    #[allow(unsafe_code)]
    unsafe {
        mi_option_set_enabled(PURGE_DECOMMITS, false);
    }
}
