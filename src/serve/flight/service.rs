//! Answers to the messages of Flight SQL.

use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionBeginTransactionRequest, ActionBeginTransactionResult, ActionCancelQueryRequest, ActionCancelQueryResult,
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
    CommandStatementUpdate, DoPutPreparedStatementResult, ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse, IpcMessage, SchemaAsIpc,
    Ticket as Bytes,
};
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use datafusion::common::ParamValues;
use datafusion::common::metadata::ScalarAndMetadata;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use super::errors::{refused, status};
use super::facts;
use super::lists::{catalogs, foreign_keys, primary_keys, schemas, sql_info, table_types, type_info};
use super::prepared::{Prepared, Statements};
use super::rows::{Rows, known, sent};
use super::ticket::Ticket;
use crate::engine::{At, Outline};
use crate::error::Error;
use crate::script::{self, Clock, Script};
use crate::serve::lines::Way;
use crate::serve::tokens::Tokens;
use crate::serve::{Asked, Caller, Hub, Protocol, Settings};
use crate::zones::{read_instant, read_zone};

/// Headers that name what statements see.
const VERSION: &str = "x-sessionlake-version";
const AS_OF: &str = "x-sessionlake-as-of";
const TIME_ZONE: &str = "x-sessionlake-time-zone";
/// What the text of a client is called in errors.
const NAME: &str = "statement";

/// How passwords are written: the client of Arrow's Go library, which ADBC's driver is made of, leaves the padding out.
const PASSWORDS: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The service.
pub struct Service {
    hub: Arc<Hub>,
    tokens: Tokens,
    statements: Statements,
}

impl Service {
    pub fn of(hub: Arc<Hub>) -> Self {
        Self { hub, tokens: Tokens::default(), statements: Statements::default() }
    }

    /// Finds who asks: by the token of a log-in, or by a password. The connection is then one that was asked something.
    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let caller = self.caller_of(request.metadata()).await?;
        self.heard(request)?;
        Ok(caller)
    }

    /// Counts a request of a connection over which somebody has logged in.
    fn heard<T>(&self, request: &Request<T>) -> Result<(), Status> {
        if let Some(way) = request.extensions().get::<Way>() {
            way.sign_in(|| self.hub.admit(Protocol::Flight)).map_err(|error| status(&error))?;
            way.activity.heard();
        }
        Ok(())
    }

    async fn caller_of(&self, headers: &MetadataMap) -> Result<Caller, Status> {
        if let Some(caller) = self.hub.caller_without_login() {
            return Ok(caller);
        }
        let sent = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, value) = sent.split_once(' ').unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer") {
            let caller = self.tokens.caller(&self.hub, value.trim()).map_err(|error| status(&error))?;
            return caller.ok_or_else(|| Status::unauthenticated("the token is none any more: log in again"));
        }
        let (user, password) = password(sent)?;
        self.tokens.compare(&self.hub, &user, &password).await.map_err(|error| refused(&error))
    }

    /// What statements of a call see.
    fn settings(&self, headers: &MetadataMap) -> Result<Settings, Status> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut settings = self.hub.settings();
        let wrong = |error: Error| status(&error);
        if let Some(text) = header(TIME_ZONE) {
            settings.time_zone = read_zone(text).map_err(wrong)?;
        }
        if let Some(text) = header(AS_OF) {
            settings.as_of = Some(read_instant(AS_OF, text, settings.time_zone).map_err(wrong)?);
        }
        if let Some(text) = header(VERSION) {
            let version =
                text.parse().map_err(|_| Status::invalid_argument(format!("{VERSION} is no version: {text:?}")))?;
            settings.at = At::Version(version);
        }
        Ok(settings)
    }

    /// Takes a statement apart, whose parameters may be written as `?`.
    async fn script(&self, settings: &Settings, sql: &str) -> Result<Script, Error> {
        let numbered = |text: &Arc<str>| script::parse(NAME, &script::with_numbers(NAME, text)?);
        self.hub.apart(self.hub.limit_of(settings), &Arc::from(sql), numbered).await?
    }

    /// Plans a statement, whose parameters have these types as far as they are known; returns what it asks for and would answer.
    async fn outline(
        &self,
        caller: &Caller,
        settings: &Settings,
        sql: &str,
        types: Vec<Option<DataType>>,
    ) -> Result<Outline, Status> {
        let outline = async {
            let script = self.script(settings, sql).await?;
            let [statement] = script.statements.as_slice() else { return Err(several()) };
            self.hub.outline(caller, settings, (&script, statement), types).await
        };
        outline.await.map_err(|error| status(&error))
    }

    async fn ask(&self, caller: &Caller, settings: &Settings, prepared: &Prepared) -> Result<Asked, Status> {
        let asked = async {
            let script = self.script(settings, &prepared.sql).await?;
            let [statement] = script.statements.as_slice() else { return Err(several()) };
            let bind = |clock: &Clock| match script::bind_session(statement, clock) {
                ParamValues::Map(mut named) => {
                    for (index, value) in prepared.values.iter().enumerate() {
                        named.insert((index + 1).to_string(), ScalarAndMetadata::from(value.clone()));
                    }
                    Ok(ParamValues::Map(named))
                }
                ParamValues::List(_) => Err(Error::internal("parameters without names")),
            };
            self.hub.ask_statement(Protocol::Flight, caller, settings, (&script, statement), bind).await
        };
        asked.await.map_err(|error| status(&error))
    }
}

impl Service {
    /// Lists the tables that a caller has.
    async fn tables<T>(&self, request: &Request<T>, query: CommandGetTables) -> Result<RecordBatch, Status> {
        let caller = self.caller(request).await?;
        let engine =
            self.hub.session(&caller, &self.settings(request.metadata())?).await.map_err(|error| status(&error))?;
        facts::tables(&engine, query).await.map_err(|error| status(&error))
    }

    /// Describes a list that is known.
    async fn described(
        &self,
        rows: Result<RecordBatch, Status>,
        ticket: Vec<u8>,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        self.caller(&request).await?;
        described(&rows?.schema(), ticket, request.into_inner())
    }
}

fn several() -> Error {
    Error::usage("there is more than one statement").with_hint("ask one statement at a time")
}

/// Reads user and password of the scheme `Basic`.
fn password(sent: &str) -> Result<(String, String), Status> {
    let (scheme, value) = sent.split_once(' ').unwrap_or_default();
    let text = PASSWORDS.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = text.as_deref().filter(|_| scheme.eq_ignore_ascii_case("basic")).and_then(|text| text.split_once(':'));
    let (user, password) = pair.ok_or_else(|| Status::unauthenticated("log in with a user and a password"))?;
    Ok((user.to_owned(), password.to_owned()))
}

fn read_only() -> Status {
    Status::permission_denied("a server only reads: ask with SELECT, WITH, VALUES, SHOW, DESCRIBE or EXPLAIN")
}

fn described(schema: &Schema, ticket: Vec<u8>, descriptor: FlightDescriptor) -> Result<Response<FlightInfo>, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Bytes::new(ticket));
    let info = FlightInfo::new().try_with_schema(schema).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Response::new(info.with_endpoint(endpoint).with_descriptor(descriptor).with_ordered(true)))
}

fn internal(error: impl std::fmt::Display) -> Status {
    Status::internal(error.to_string())
}

fn ipc(schema: &Schema) -> Result<bytes::Bytes, Status> {
    let options = arrow::ipc::writer::IpcWriteOptions::default();
    let IpcMessage(bytes) = SchemaAsIpc::new(schema, &options).try_into().map_err(internal)?;
    Ok(bytes)
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Self;

    async fn do_handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>, Status> {
        let token = match self.hub.caller_without_login() {
            Some(_) => String::new(),
            None => {
                let sent = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
                let (user, password) = password(sent.unwrap_or_default())?;
                let made = self.tokens.log_in(&self.hub, &user, &password).await;
                let token = made.map_err(|error| refused(&error))?.1;
                self.heard(&request)?;
                token
            }
        };
        let header = format!("Bearer {token}").parse().map_err(internal)?;
        let answer = HandshakeResponse { protocol_version: 0, payload: token.into() };
        let answers: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(stream::iter([Ok(answer)]));
        let mut response = Response::new(answers);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = self.caller(&request).await?;
        let mut settings = self.settings(request.metadata())?;
        let (version, as_of) = self.hub.pinned(&settings).await.map_err(|error| status(&error))?;
        (settings.at, settings.as_of) = (At::Version(version), Some(as_of));
        let outline = self.outline(&caller, &settings, &query.query, Vec::new()).await?;
        let ticket = Ticket::of(query.query, version, &settings, as_of).to_bytes().map_err(|error| status(&error))?;
        let ticket = TicketStatementQuery { statement_handle: ticket.into() };
        described(&facts::flat(&outline.columns), ticket.as_any().encode_to_vec(), request.into_inner())
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        let caller = self.caller(&request).await?;
        let ticket = Ticket::read(&ticket.statement_handle).map_err(|error| status(&error))?;
        let settings = ticket.settings(self.hub.settings()).map_err(|error| status(&error))?;
        let prepared = Prepared { caller: caller.name.clone(), sql: ticket.sql, values: Vec::new() };
        let answering = request.extensions().get::<Way>().map(|way| way.activity.begin());
        Ok(sent(&self.hub, self.ask(&caller, &settings, &prepared).await?, answering))
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let caller = self.caller(&request).await?;
        let settings = self.settings(request.metadata())?;
        let outline = self.outline(&caller, &settings, &query.query, Vec::new()).await?;
        let parameters =
            outline.parameters.iter().enumerate().map(|(index, kind)| {
                Field::new(format!("${}", index + 1), kind.clone().unwrap_or(DataType::Utf8), true)
            });
        let parameters = facts::flat(&Schema::new(parameters.collect::<Vec<_>>()));
        let prepared = Prepared { caller: caller.name, sql: query.query, values: Vec::new() };
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: self.statements.keep(prepared).map_err(|error| status(&error))?.into(),
            dataset_schema: ipc(&facts::flat(&outline.columns))?,
            parameter_schema: ipc(&parameters)?,
        })
    }

    async fn do_action_close_prepared_statement(
        &self,
        query: ActionClosePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<(), Status> {
        let caller = self.caller(&request).await?;
        self.statements.close(&query.prepared_statement_handle, &caller.name);
        Ok(())
    }

    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let caller = self.caller(&request).await?;
        let messages = request.into_inner().map_err(|error| FlightError::Tonic(Box::new(error)));
        // One row of values; what comes beyond a few batches is none.
        let rows: Vec<RecordBatch> =
            FlightRecordBatchStream::new_from_flight_data(messages).take(8).try_collect().await?;
        let handle = query.prepared_statement_handle;
        self.statements.bind(&handle, &caller.name, &rows).map_err(|error| status(&error))?;
        Ok(DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) })
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = self.caller(&request).await?;
        let settings = self.settings(request.metadata())?;
        let prepared =
            self.statements.find(&query.prepared_statement_handle, &caller.name).map_err(|error| status(&error))?;
        // By the values that were sent: what is described is what comes.
        let types = prepared.values.iter().map(|value| Some(value.data_type())).collect();
        let outline = self.outline(&caller, &settings, &prepared.sql, types).await?;
        described(&facts::flat(&outline.columns), query.as_any().encode_to_vec(), request.into_inner())
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        let caller = self.caller(&request).await?;
        let settings = self.settings(request.metadata())?;
        let prepared =
            self.statements.find(&query.prepared_statement_handle, &caller.name).map_err(|error| status(&error))?;
        let answering = request.extensions().get::<Way>().map(|way| way.activity.begin());
        Ok(sent(&self.hub, self.ask(&caller, &settings, &prepared).await?, answering))
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = catalogs(query);
        self.described(rows, ticket, request).await
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(catalogs(query))
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = schemas(query);
        self.described(rows, ticket, request).await
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(schemas(query))
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = table_types(query);
        self.described(rows, ticket, request).await
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(table_types(query))
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = sql_info(query);
        self.described(rows, ticket, request).await
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(sql_info(query))
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = type_info(query);
        self.described(rows, ticket, request).await
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(type_info(query))
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = self.tables(&request, query).await;
        self.described(rows, ticket, request).await
    }

    async fn do_get_tables(&self, query: CommandGetTables, request: Request<Bytes>) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(self.tables(&request, query).await)
    }

    async fn get_flight_info_primary_keys(
        &self,
        query: CommandGetPrimaryKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = Ok(primary_keys());
        self.described(rows, ticket, request).await
    }

    async fn do_get_primary_keys(
        &self,
        _query: CommandGetPrimaryKeys,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(Ok(primary_keys()))
    }

    async fn get_flight_info_exported_keys(
        &self,
        query: CommandGetExportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = Ok(foreign_keys());
        self.described(rows, ticket, request).await
    }

    async fn do_get_exported_keys(
        &self,
        _query: CommandGetExportedKeys,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(Ok(foreign_keys()))
    }

    async fn get_flight_info_imported_keys(
        &self,
        query: CommandGetImportedKeys,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = Ok(foreign_keys());
        self.described(rows, ticket, request).await
    }

    async fn do_get_imported_keys(
        &self,
        _query: CommandGetImportedKeys,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(Ok(foreign_keys()))
    }

    async fn get_flight_info_cross_reference(
        &self,
        query: CommandGetCrossReference,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let ticket = query.as_any().encode_to_vec();
        let rows = Ok(foreign_keys());
        self.described(rows, ticket, request).await
    }

    async fn do_get_cross_reference(
        &self,
        _query: CommandGetCrossReference,
        request: Request<Bytes>,
    ) -> Result<Response<Rows>, Status> {
        self.caller(&request).await?;
        known(Ok(foreign_keys()))
    }

    async fn do_put_statement_update(
        &self,
        _: CommandStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.caller(&request).await?;
        Err(read_only())
    }

    async fn do_put_prepared_statement_update(
        &self,
        _: CommandPreparedStatementUpdate,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.caller(&request).await?;
        Err(read_only())
    }

    async fn do_put_statement_ingest(
        &self,
        _: CommandStatementIngest,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<i64, Status> {
        self.caller(&request).await?;
        Err(read_only())
    }

    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        request: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        self.caller(&request).await?;
        Err(Status::unimplemented("there are no transactions: each statement sees one version"))
    }

    /// Nothing is computed before it is fetched, and a fetch is cancelled by its own call.
    async fn do_action_cancel_query(
        &self,
        _: ActionCancelQueryRequest,
        request: Request<Action>,
    ) -> Result<ActionCancelQueryResult, Status> {
        self.caller(&request).await?;
        // NOT_CANCELLABLE
        let result = 3;
        Ok(ActionCancelQueryResult { result })
    }

    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
