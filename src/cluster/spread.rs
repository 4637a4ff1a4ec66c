//! Plans of a session on the workers of a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion_distributed::display_plan_ascii;

use super::Cluster;
use super::again::{OnWorkersExec, WhenAlone};
use super::plan::cut;
use crate::engine::{Distribution, Node, Staged};

/// Spreads plans over the workers of a cluster.
#[derive(Debug)]
pub struct Spread {
    pub cluster: Arc<Cluster>,
    pub when_alone: WhenAlone,
}

#[async_trait]
impl Distribution for Spread {
    async fn in_stages(&self, plan: &Staged, session: &SessionState) -> Result<Option<Node>> {
        let Some(cut) = cut(&self.cluster, plan, session).await? else { return Ok(None) };
        Ok(Some(Arc::new(OnWorkersExec::of(
            Arc::clone(&self.cluster),
            plan.clone(),
            session.clone(),
            cut,
            self.when_alone,
        ))))
    }

    fn is_alone(&self) -> bool {
        self.when_alone == WhenAlone::Run && self.cluster.urls().is_empty()
    }

    fn shown(&self, plan: &Node) -> String {
        let cut = plan.downcast_ref::<OnWorkersExec>().map_or(plan, OnWorkersExec::cut);
        format!(
            "{}\n-- runs on {} workers",
            display_plan_ascii(cut.as_ref(), false).trim_end(),
            self.cluster.urls().len()
        )
    }
}
