//! `Legacy`: Cafe Variome V2, spec §3.1 and §12.

use super::tree::section;

section! {
    /// Cafe Variome V2 (spec §3.1).
    pub struct Legacy {
        /// The registry of V2 installations.
        "NexusMode" nexus_mode: NexusMode = NexusMode::default();
        /// Whether V2 installations may query this one.
        "Query" query: bool = true;
    }
}

section! {
    /// The registry of V2 installations (spec §12).
    pub struct NexusMode {
        /// Whether the registry runs.
        "Enabled" enabled: bool = false, restart;
        /// Whether V2 callers must show a service-account token, which needs a recent V2.
        "AccessTokenEnabled" access_token_enabled: bool = true;
    }
}
