//! What a query costs on workers: each counts for the query that a task is of, and tells whoever asked when it has ended.
//!
//! It is asked over the line that tasks go over, under a name beside theirs. A figure that does not come is none: it is for people to look at, and no
//! query fails or waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::to_bytes;
use datafusion_distributed::grpc::BoxCloneSyncChannel;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response};
use tower::{Service, ServiceExt};

use crate::lake::{Costs, Spent};

/// The header with the name of the query that a task is of.
pub const QUERY: &str = "x-sessionlake-query";
/// Where a worker is asked what a query has cost: a name of the service that runs tasks.
pub const PATH: &str = "/worker.WorkerService/Spent";

/// Queries that a worker remembers; of one that nobody asks about it forgets in time.
const MOST_QUERIES: usize = 1_024;
/// Bytes of an answer at most.
const ANSWER_BYTES: usize = 64 << 10;
/// How long a worker may take to tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// What queries have cost on a worker.
#[derive(Debug, Clone, Default)]
pub struct Spending(Arc<Mutex<VecDeque<OfQuery>>>);

#[derive(Debug)]
struct OfQuery {
    name: String,
    costs: Arc<Costs>,
    told: Spent,
}

impl Spending {
    /// Returns what a query is counted in.
    pub fn of(&self, name: &str) -> Arc<Costs> {
        let mut queries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = queries.iter().find(|query| query.name == name) {
            return Arc::clone(&known.costs);
        }
        let costs = Arc::<Costs>::default();
        if queries.len() >= MOST_QUERIES {
            queries.pop_front();
        }
        queries.push_back(OfQuery { name: name.to_owned(), costs: Arc::clone(&costs), told: Spent::default() });
        costs
    }

    /// Tells what a query has cost since that was told last.
    fn told(&self, name: &str) -> Spent {
        let mut queries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(query) = queries.iter_mut().find(|query| query.name == name) else { return Spent::default() };
        let spent = query.costs.spent();
        let earlier = std::mem::replace(&mut query.told, spent);
        spent.since(&earlier)
    }

    /// Answers the question what a query has cost.
    pub fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let name = headers.get(QUERY).and_then(|name| name.to_str().ok()).unwrap_or_default();
        let text = serde_json::to_vec(&self.told(name)).unwrap_or_default();
        Response::new(Body::new(axum::body::Body::from(text)))
    }
}

/// Asks a worker what a query has cost there.
pub async fn asked(mut channel: BoxCloneSyncChannel, query: &str) -> Option<Spent> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = PATH.parse().ok()?;
    *request.method_mut() = tonic::codegen::http::Method::POST;
    request.headers_mut().insert(QUERY, HeaderValue::from_str(query).ok()?);
    let asking = async {
        let answer = channel.ready().await.ok()?.call(request).await.ok()?;
        let text = to_bytes(axum::body::Body::new(answer.into_body()), ANSWER_BYTES).await.ok()?;
        serde_json::from_slice(&text).ok()
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_query_is_told_once_what_it_cost_and_many_are_forgotten() {
        let spending = Spending::default();
        spending.of("a").rows(3);
        spending.of("b").rows(5);
        spending.of("a").rows(4);
        assert_eq!(spending.told("a").rows_scanned, 7);
        assert_eq!((spending.told("a").rows_scanned, spending.told("c").rows_scanned), (0, 0));
        for number in 0..MOST_QUERIES {
            spending.of(&number.to_string());
        }
        assert_eq!(spending.told("b").rows_scanned, 0);
        assert_eq!(spending.0.lock().unwrap().len(), MOST_QUERIES);
    }
}
