//! What concerns the process as a whole: memory that is free goes back to the system.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Soon after the start, which needs more than anything after it, then now and then.
const FIRST: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_secs(30);

/// Gives free memory back until told to stop. The allocator does so only when something is freed; a process that has
/// nothing to do would keep what it once needed.
pub async fn tidy(stop: CancellationToken) {
    let mut wait = FIRST;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        give_back();
        wait = EVERY;
    }
}

#[expect(unsafe_code, reason = "the allocator is a library in C")]
fn give_back() {
    // SAFETY: may be called by any thread at any time (mimalloc's documentation of mi_collect).
    unsafe { libmimalloc_sys::mi_collect(true) };
}
