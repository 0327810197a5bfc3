//! The OpenAPI 3.1 description, made from the table of routes.

use super::problem::{Code, PROBLEM_JSON, ProblemDocument};
use super::route::{Access, Holds, On, Route};
use super::{gateway_list, message, operation, publish, registration, schema};
use crate::state::AppState;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use std::sync::{Arc, OnceLock};
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ComponentsBuilder, Content, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, Required,
    Response as Answer, ServerBuilder,
};

pub(super) async fn document(State(_): State<Arc<AppState>>) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| describe(&super::route::all()).to_pretty_json().unwrap_or_default());
    ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The description of `routes`.
pub(super) fn describe(routes: &[Route]) -> OpenApi {
    let mut paths = Paths::new();
    for route in routes {
        let path = route.path.replace("{*", "{");
        paths.add_path_operation(path, vec![method(route.method)], operation(route));
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Pulsegate")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(about()))
                .build(),
        )
        .servers(Some([ServerBuilder::new().url("/").build()]))
        .paths(paths)
        .components(Some(components()))
        .build()
}

fn about() -> String {
    let codes: Vec<String> =
        Code::ALL.iter().map(|code| format!("`{}` {}", code.as_str(), code.status().as_u16())).collect();
    format!(
        "Self-hosted push for the web. Refusals are problem documents (RFC 9457) whose `code` is \
         stable: {}.",
        codes.join(", ")
    )
}

fn method(text: &str) -> HttpMethod {
    match text {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        "OPTIONS" => HttpMethod::Options,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route) -> Operation {
    let mut operation = OperationBuilder::new()
        .summary(Some(route.summary))
        .tag(match route.on {
            On::Admin => "admin listener",
            On::Both => "both listeners",
            On::Public => "public listener",
        })
        .operation_id(Some(operation_id(route)));
    for name in parameters(route.path) {
        operation = operation.parameter(parameter(name, ParameterIn::Path, Required::True));
    }
    for name in queries(route.path) {
        operation = operation.parameter(parameter(name, ParameterIn::Query, Required::False));
    }
    if route.path.ends_with("/messages") && route.method == "POST" {
        let key = parameter("Idempotency-Key", ParameterIn::Header, Required::False);
        operation = operation.parameter(key);
    }
    if let Some((media, content)) = content(route.takes) {
        let body = RequestBodyBuilder::new().content(media, content).required(Some(Required::True)).build();
        operation = operation.request_body(Some(body));
    }
    let mut good = ResponseBuilder::new().description(route.summary);
    if let Some((media, content)) = content(route.gives) {
        good = good.content(media, content);
    }
    operation = operation.response(route.answer.to_string(), good.build());
    operation = match route.access {
        Access::Anyone => operation,
        Access::Key(scope) => operation.security(SecurityRequirement::new("serverKey", [scope.as_str()])),
        Access::Registration => {
            operation.security(SecurityRequirement::new("registration", Vec::<String>::new()))
        }
    };
    operation.response("default", problem()).build()
}

/// `post_v1_apps_app_messages_batch`: unique, and stable as long as the path is.
fn operation_id(route: &Route) -> String {
    let mut id = route.method.to_ascii_lowercase();
    for word in route.path.split(|c: char| !c.is_ascii_alphanumeric()) {
        if !word.is_empty() {
            id.push('_');
            id.push_str(word);
        }
    }
    id
}

fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{'))
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.trim_start_matches('*'))
}

fn queries(path: &str) -> &'static [&'static str] {
    match path {
        "/v1/apps/{app}/registrations" => &["cursor", "limit"],
        "/pulsegate-worker.wasm" => &["h"],
        "/v1/drain" => &["per_second"],
        _ => &[],
    }
}

fn parameter(name: &str, place: ParameterIn, required: Required) -> utoipa::openapi::path::Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn content(holds: Holds) -> Option<(&'static str, Content)> {
    let schema = |name| ContentBuilder::new().schema(Some(Ref::from_schema_name(name))).build();
    match holds {
        Holds::Nothing => None,
        Holds::Json(name) => Some(("application/json", schema(name))),
        Holds::Ndjson(name) => Some(("application/x-ndjson", schema(name))),
        Holds::Bytes(media) => Some((media, ContentBuilder::new().build())),
    }
}

fn problem() -> Answer {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDocument"))).build();
    ResponseBuilder::new().description("A problem document").content(PROBLEM_JSON, content).build()
}

fn components() -> Components {
    let mut schemas = Vec::new();
    let mut all = ComponentsBuilder::new();
    macro_rules! put {
        ($($kind:ty,)*) => {$(
            all = all.schema_from::<$kind>();
            <$kind as ToSchema>::schemas(&mut schemas);
        )*};
    }
    put! {
        schema::PublishRequest,
        schema::BatchLine,
        schema::CountRequest,
        schema::PatchRequest,
        publish::AcceptedAnswer,
        message::StatusAnswer,
        message::TraceAnswer,
        message::CountAnswer,
        registration::RegistrationAnswer,
        registration::UserAnswer,
        registration::PageAnswer,
        gateway_list::GatewaysAnswer,
        operation::WellAnswer,
        ProblemDocument,
    }
    let mut components = all.schemas_from_iter(schemas).build();
    components.add_security_scheme(
        "serverKey",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("pg_<app>_<key id>_<secret>"))
                .build(),
        ),
    );
    components.add_security_scheme(
        "registration",
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "Authorization",
            "Registration <id>.<secret, base64url>",
        ))),
    );
    components
}
