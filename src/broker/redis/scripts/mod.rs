//! The scripts, each with what it shares with the others before it. A script is one step for everyone: the server runs
//! nothing else meanwhile, and one without room refuses it at its first write or lets it run to its end.

use std::sync::LazyLock;

/// A script and the hash the server knows it by.
#[derive(Debug)]
pub(super) struct Script {
    code: &'static str,
    hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    pub fn code(&self) -> &str {
        self.code
    }

    pub fn hash(&self) -> &str {
        &self.hash
    }
}

macro_rules! scripts {
    ($($name:ident = $shared:literal, $file:literal;)*) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!(include_str!($shared), include_str!($file))));
    )*};
}

scripts! {
    ENQUEUE = "jobs.lua", "enqueue.lua";
    TAKE = "jobs.lua", "take.lua";
    RENEW = "jobs.lua", "renew.lua";
    FINISH = "jobs.lua", "finish.lua";
    RELEASE = "jobs.lua", "release.lua";
    RESTART = "jobs.lua", "restart.lua";
    PRUNE = "jobs.lua", "prune.lua";
    CACHE_GET = "values.lua", "cache_get.lua";
    CACHE_PUT = "values.lua", "cache_put.lua";
    COUNT = "values.lua", "count.lua";
    COUNTERS = "values.lua", "counters.lua";
    LOCK = "values.lua", "lock.lua";
    UNLOCK = "values.lua", "unlock.lua";
}
