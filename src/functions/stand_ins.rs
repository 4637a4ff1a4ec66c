//! Which operators and functions of ours stand in for DataFusion's: a setting of a session for each.
//!
//! They are all on. `SET sessionlake.own_sort = false` turns one off, so that its worth can be measured (docs/performance.md). The answers
//! stay the same, but for the last digits of sums and means of doubles.

use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::common::extensions_options;

extensions_options! {
    /// The settings.
    pub struct StandIns {
        /// Whether `lag`, `lead` and `row_number` over sorted rows are computed a batch at a time.
        pub own_window: bool, default = true
        /// Whether rows are sorted by the first bits of their keys.
        pub own_sort: bool, default = true
        /// Whether the partial aggregation finds its few groups by dictionaries.
        pub own_groups: bool, default = true
        /// Whether a column of lists is unnested without copies.
        pub own_flatten: bool, default = true
        /// Whether joins by key and interval are range joins.
        pub own_join: bool, default = true
        /// Whether `date_trunc` of instants in UTC is arithmetic.
        pub own_date_trunc: bool, default = true
        /// Whether `coalesce` of a call and a literal looks at the call once.
        pub own_coalesce: bool, default = true
        /// Whether sums and means of doubles are exact, and so the same in whatever order the rows come. In windows they always are.
        pub exact_sums: bool, default = true
    }
}

impl ConfigExtension for StandIns {
    const PREFIX: &'static str = "sessionlake";
}

/// Tells whether a session has a stand-in on; one without these settings has them all.
pub fn stands_in(options: &ConfigOptions, which: fn(&StandIns) -> bool) -> bool {
    options.extensions.get().is_none_or(which)
}
