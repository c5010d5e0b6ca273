//! What the derive writes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Generics, Lifetime, Path, Type, parse_quote};

use crate::attributes::{Event, Form};

pub(crate) fn derive(input: TokenStream, default: &str) -> TokenStream {
    let expanded = syn::parse2::<DeriveInput>(input).and_then(|input| {
        let event = Event::new(&input)?;
        let at = match &event.at {
            Some(at) => at.clone(),
            None => syn::parse_str(default)?,
        };
        Ok(implementations(&input, &event, &at))
    });
    expanded.unwrap_or_else(|error| error.to_compile_error())
}

fn implementations(input: &DeriveInput, event: &Event, at: &Path) -> TokenStream {
    let at = quote!(#at::__derived);
    let ident = &input.ident;
    let (generics, ty_generics, wheres) = input.generics.split_for_impl();
    let name = &event.name;
    let ack = event
        .ack
        .as_ref()
        .map_or_else(|| quote!(#at::NoAck), |ack| quote!(#ack));
    let acknowledged = event.ack.is_some().then(|| {
        quote! {
            #[automatically_derived]
            impl #generics #at::Acknowledged for #ident #ty_generics #wheres {}
        }
    });
    let emit = emit(input, event, &at);
    let read = read(input, event, &at);
    quote! {
        #[automatically_derived]
        impl #generics #at::TypedEvent for #ident #ty_generics #wheres {
            const NAME: &'static str = #name;
            type Ack = #ack;
        }
        #acknowledged
        #emit
        #read
    }
}

/// The types that serde reads and writes, each of which is an argument.
fn arguments(input: &DeriveInput, event: &Event) -> Vec<Type> {
    match (&input.data, event.form) {
        (Data::Struct(data), Form::Args) => {
            data.fields.iter().map(|field| field.ty.clone()).collect()
        }
        _ => {
            let ident = &input.ident;
            let (_, generics, _) = input.generics.split_for_impl();
            vec![parse_quote!(#ident #generics)]
        }
    }
}

/// The fields as `self.a` or `self.0` name them.
fn members(fields: &Fields) -> impl Iterator<Item = syn::Member> {
    fields.members()
}

/// `EmitArgs`, for a type whose arguments are `Serialize`. The bounds are of a higher rank, so that they may be unmet: the
/// event is one that is received only then.
fn emit(input: &DeriveInput, event: &Event, at: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    let wheres = generics.make_where_clause();
    for ty in arguments(input, event) {
        wheres
            .predicates
            .push(parse_quote!(for<'__event> #ty: #at::Serialize));
    }
    let (generics, _, wheres) = generics.split_for_impl();
    let (_, ty_generics, _) = input.generics.split_for_impl();
    let body = match (&input.data, event.form) {
        (Data::Struct(data), Form::Args) => {
            let members = members(&data.fields);
            quote! {
                #(#at::EmitArgs::write_to(&(&self.#members,), __writer)?;)*
                ::core::result::Result::Ok(())
            }
        }
        _ => quote!(#at::EmitArgs::write_to(&(self,), __writer)),
    };
    quote! {
        #[automatically_derived]
        impl #generics #at::EmitArgs for #ident #ty_generics #wheres {
            fn write_to<__Sink: #at::Sink>(
                &self,
                __writer: &mut #at::ArgsWriter<'_, __Sink>,
            ) -> ::core::result::Result<(), #at::Fail> {
                #body
            }
        }
    }
}

/// `FromArgs`, for a type whose arguments are `Deserialize`.
fn read(input: &DeriveInput, event: &Event, at: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let mut generics: Generics = input.generics.clone();
    let lifetime = Lifetime::new("'__event", proc_macro2::Span::call_site());
    let wheres = generics.make_where_clause();
    for ty in arguments(input, event) {
        wheres
            .predicates
            .push(parse_quote!(#ty: #at::Deserialize<#lifetime>));
    }
    generics.params.insert(0, parse_quote!(#lifetime));
    let (generics, _, wheres) = generics.split_for_impl();
    let (_, ty_generics, _) = input.generics.split_for_impl();
    let body = match (&input.data, event.form) {
        (Data::Struct(data), Form::Args) => {
            let members = members(&data.fields);
            quote!(::core::result::Result::Ok(Self { #(#members: __args.next()?,)* }))
        }
        _ => quote!(__args.next()),
    };
    quote! {
        #[automatically_derived]
        impl #generics #at::FromArgs<#lifetime> for #ident #ty_generics #wheres {
            fn from_args(
                __args: &mut #at::Args<#lifetime>,
            ) -> ::core::result::Result<Self, #at::ArgsError> {
                #body
            }
        }
    }
}
