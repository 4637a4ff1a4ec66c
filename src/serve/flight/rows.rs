//! Rows of answers on their way to clients of Flight.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use futures::{Stream, TryStreamExt, stream};
use tokio::sync::mpsc;
use tonic::{Response, Status};

use super::errors::status;
use super::facts;
use crate::error::Error;
use crate::serve::hub::Stopping;
use crate::serve::lines::Answering;
use crate::serve::{Asked, Hub};

/// Bytes of a message at most, as far as rows can be parted: clients take four megabytes.
const MESSAGE_BYTES: usize = 2 << 20;
/// Batches that wait for a client at most.
const WAITING_BATCHES: usize = 1;

pub type Rows = Pin<Box<dyn Stream<Item = Result<FlightData, Status>> + Send>>;

/// Sends rows as they come, in messages that clients take. A client that takes none holds a few batches, and nobody's turn.
pub fn sent(hub: &Hub, asked: Asked, answering: Option<Answering>) -> Response<Rows> {
    let schema = facts::flat(&asked.columns);
    let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
    let work = Stopping(hub.compute().spawn(hand_on(asked, Arc::clone(&schema), sender)));
    let batches = stream::unfold((receiver, work, answering), |(mut receiver, work, answering)| async move {
        let batch = receiver.recv().await?;
        Some((batch.map_err(|error| FlightError::Tonic(Box::new(status(&error)))), (receiver, work, answering)))
    });
    encoded(schema, batches)
}

type Batches = mpsc::Sender<Result<RecordBatch, Error>>;

/// Takes the rows of an answer until nobody takes any more.
async fn hand_on(mut asked: Asked, schema: SchemaRef, sender: Batches) {
    let error = loop {
        let next = async {
            let Some(batch) = asked.next().await? else { return Ok(false) };
            let batch = facts::flattened(&batch, &schema)?;
            asked.sent(batch.num_rows() as u64, batch.get_array_memory_size() as u64)?;
            asked.patiently(sender.reserve()).await?.map_err(|_| Error::Cancelled)?.send(Ok(batch));
            Ok(true)
        };
        match next.await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => break error,
        }
    };
    drop(asked);
    let _ = sender.send(Err(error)).await;
}

fn encoded(
    schema: SchemaRef,
    batches: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Response<Rows> {
    let encoder = FlightDataEncoderBuilder::new().with_schema(schema).with_max_flight_data_size(MESSAGE_BYTES);
    Response::new(Box::pin(encoder.build(batches).map_err(Status::from)))
}

pub fn known(batch: Result<RecordBatch, Status>) -> Result<Response<Rows>, Status> {
    let batch = batch?;
    Ok(encoded(batch.schema(), stream::once(async { Ok(batch) })))
}
