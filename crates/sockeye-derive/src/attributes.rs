//! What is said in `#[event(…)]`.

use proc_macro2::Span;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitStr, Path, Result, Type};

use crate::name;

/// How arguments are made of a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Each field is an argument.
    Args,
    /// The whole is one argument, as serde writes it.
    Value,
}

/// What is known about an event.
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) ack: Option<Type>,
    pub(crate) form: Form,
    /// The crate that the generated code refers to, if it is not where it is expected.
    pub(crate) at: Option<Path>,
}

const KNOWN: &str = "known are `name = \"…\"`, `ack = (…)`, `args`, `value` and `crate = \"…\"`";

impl Event {
    pub(crate) fn new(input: &DeriveInput) -> Result<Self> {
        let mut said = Said::default();
        let mut errors = Vec::new();
        for attribute in input.attrs.iter().filter(|it| it.path().is_ident("event")) {
            if let Err(error) = said.read(attribute) {
                errors.push(error);
            }
        }
        let name = said.name.as_ref().map_or_else(
            || {
                (
                    name::snake_case(&input.ident.to_string()),
                    input.ident.span(),
                )
            },
            |name| (name.value(), name.span()),
        );
        if let Some(why) = name::refusal(&name.0) {
            let way_out = if said.name.is_none() {
                "; give the event another name: `#[event(name = \"…\")]`"
            } else {
                ""
            };
            errors.push(Error::new(
                name.1,
                format!("no event can be called {why}{way_out}"),
            ));
        }
        let form = said.form.map(|(form, _)| form).or(match &input.data {
            Data::Struct(data) if !matches!(data.fields, Fields::Named(_)) => Some(Form::Args),
            _ => None,
        });
        let form = form.unwrap_or(Form::Value);
        if form == Form::Args {
            let span = said.form.map_or_else(Span::call_site, |(_, span)| span);
            match &input.data {
                Data::Struct(data) => errors.extend(without_effect(&input.attrs, &data.fields)),
                _ => errors.push(Error::new(
                    span,
                    "only the fields of a struct can be arguments of their own: an enum is one argument",
                )),
            }
        }
        if let Data::Union(data) = &input.data {
            errors.push(Error::new(
                data.union_token.span,
                "a union cannot be an event: serde cannot tell which of its fields is meant",
            ));
        }
        if let Some(error) = said.ack.as_ref().and_then(single) {
            errors.push(error);
        }
        let first = errors.into_iter().reduce(|mut all, error| {
            all.combine(error);
            all
        });
        match first {
            Some(errors) => Err(errors),
            None => Ok(Self {
                name: name.0,
                ack: said.ack,
                form,
                at: said.at,
            }),
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Said {
    name: Option<LitStr>,
    ack: Option<Type>,
    form: Option<(Form, Span)>,
    at: Option<Path>,
}

impl Said {
    fn read(&mut self, attribute: &Attribute) -> Result<()> {
        attribute.parse_nested_meta(|meta| {
            let Some(key) = meta.path.get_ident() else {
                return Err(meta.error(format!("unknown: {KNOWN}")));
            };
            let twice = || meta.error(format!("`{key}` is said twice"));
            match key.to_string().as_str() {
                "name" if self.name.is_some() => return Err(twice()),
                "name" => self.name = Some(meta.value()?.parse()?),
                "ack" if self.ack.is_some() => return Err(twice()),
                "ack" => self.ack = Some(meta.value()?.parse()?),
                "crate" if self.at.is_some() => return Err(twice()),
                "crate" => self.at = Some(meta.value()?.parse::<LitStr>()?.parse()?),
                "args" | "value" if self.form.is_some() => {
                    return Err(meta.error(
                        "either each field is an argument (`args`) or the whole is one (`value`): say it once",
                    ));
                }
                "args" => self.form = Some((Form::Args, key.span())),
                "value" => self.form = Some((Form::Value, key.span())),
                key => return Err(meta.error(format!("`{key}` is unknown: {KNOWN}"))),
            }
            Ok(())
        })
    }
}

/// An acknowledgement that is a single type instead of a tuple, if that can be seen.
fn single(ack: &Type) -> Option<Error> {
    let Type::Path(path) = ack else {
        let is_value = matches!(ack, Type::Reference(_) | Type::Array(_) | Type::Slice(_));
        return is_value.then(|| tuple_wanted(ack));
    };
    let name = path.path.segments.last()?.ident.to_string();
    const VALUES: &[&str] = &[
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8",
        "u16", "u32", "u64", "u128", "usize", "String", "Option", "Result", "Bin", "Value",
    ];
    VALUES.contains(&name.as_str()).then(|| tuple_wanted(ack))
}

fn tuple_wanted(ack: &Type) -> Error {
    let ty = quote::quote!(#ack).to_string();
    let ty = ty.replace(" <", "<").replace("< ", "<").replace(" >", ">");
    let message = format!(
        "an acknowledgement is a tuple of its arguments: `ack = ({ty},)` for one of the type `{ty}`"
    );
    Error::new_spanned(ack, message)
}

/// What serde has been told about fields that it does not get to see, since each is an argument.
fn without_effect(container: &[Attribute], fields: &Fields) -> Vec<Error> {
    // What changes names only, or how serde's own code is made, changes nothing about an argument.
    const ON_FIELDS: &[&str] = &[
        "with",
        "serialize_with",
        "deserialize_with",
        "skip",
        "skip_serializing",
        "skip_deserializing",
        "skip_serializing_if",
        "default",
        "flatten",
        "getter",
    ];
    const ON_CONTAINER: &[&str] = &["from", "try_from", "into", "remote", "default"];
    let why = |key: &Ident| {
        Error::new(
            key.span(),
            format!(
                "`{key}` would have no effect: each field is an argument of its own here, and serde does not see the \
                 struct; give the field a type that is written so, or make one argument of the whole: `#[event(value)]`"
            ),
        )
    };
    let mut errors: Vec<Error> = serde_keys(container)
        .filter(|key| ON_CONTAINER.iter().any(|it| key == it))
        .map(|key| why(&key))
        .collect();
    let on_fields = fields
        .iter()
        .flat_map(|field: &Field| serde_keys(&field.attrs));
    errors.extend(
        on_fields
            .filter(|key| ON_FIELDS.iter().any(|it| key == it))
            .map(|key| why(&key)),
    );
    errors
}

/// The keys of `#[serde(…)]`, as far as they can be read: what is wrong there, serde says.
fn serde_keys(attributes: &[Attribute]) -> impl Iterator<Item = Ident> {
    let mut keys = Vec::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            keys.extend(meta.path.get_ident().cloned());
            // Whatever follows up to the next comma.
            while !meta.input.is_empty() && !meta.input.peek(syn::Token![,]) {
                meta.input.parse::<proc_macro2::TokenTree>()?;
            }
            Ok(())
        });
    }
    keys.into_iter()
}
