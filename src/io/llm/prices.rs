//! What calls cost, where the user says what tokens do.

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, codes};
use crate::domain::{Figure, ModelIdentity};
use crate::io::environment::Environment;
use crate::port::{BoxFuture, Model, ModelError, ModelReply, ModelRequest};

/// Prices of a million tokens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Prices {
    prompt: f64,
    completion: f64,
    /// As the user writes it.
    pub currency: Option<String>,
}

impl Prices {
    /// `None` when no price is set; the price that is missing beside the other is 0.
    ///
    /// # Errors
    /// AG0203: no number, or a currency that is not a word.
    pub fn from_environment(environment: &Environment) -> Result<Option<Prices>, Diagnostic> {
        let prompt = price(environment, "LLM_PRICE_PROMPT")?;
        let completion = price(environment, "LLM_PRICE_COMPLETION")?;
        let currency = match environment.get("LLM_CURRENCY").map(str::trim) {
            Some(text) if !text.is_empty() && text.chars().count() <= 8 && text.chars().all(is_of_currency) => {
                Some(text.to_string())
            }
            Some(_) => {
                let message = "LLM_CURRENCY is not a word of 1 to 8 letters or currency signs";
                return Err(Diagnostic::new(codes::model::SETTING, message).help("write it as in `EUR`"));
            }
            None => None,
        };
        let (None, None) = (prompt, completion) else {
            let (prompt, completion) = (prompt.unwrap_or(0.0), completion.unwrap_or(0.0));
            return Ok(Some(Prices { prompt, completion, currency }));
        };
        Ok(None)
    }

    fn cost(&self, reply: &ModelReply) -> Option<Figure> {
        let millions = |tokens: u64| tokens as f64 / 1e6;
        Figure::new(millions(reply.prompt_tokens) * self.prompt + millions(reply.completion_tokens) * self.completion)
    }
}

fn is_of_currency(c: char) -> bool {
    c.is_alphabetic() || "$€£¥₹₽₩₺₪₫¢".contains(c)
}

fn price(environment: &Environment, variable: &str) -> Result<Option<f64>, Diagnostic> {
    let Some(text) = environment.get(variable) else { return Ok(None) };
    let number: Option<f64> = text.trim().parse().ok().filter(|price| (0.0..=1e6).contains(price));
    number.map(Some).ok_or_else(|| {
        let message = format!("{variable} is `{}`, not a price of a million tokens from 0 to 1000000", text.trim());
        Diagnostic::new(codes::model::SETTING, message).help("write it as in `0.40`")
    })
}

/// A model whose replies say what they cost. Prices are of the first endpoint: what a stand-in costs is not known.
pub(super) struct Priced {
    pub inner: Arc<dyn Model>,
    pub prices: Prices,
}

impl Model for Priced {
    fn identity(&self) -> ModelIdentity {
        self.inner.identity()
    }

    fn is_in_order(&self) -> bool {
        self.inner.is_in_order()
    }
    fn complete<'a>(&'a self, request: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        Box::pin(async move {
            let mut reply = self.inner.complete(request).await?;
            if reply.stand_in.is_none() {
                reply.cost = self.prices.cost(&reply);
            }
            Ok(reply)
        })
    }

    fn judged(&self, ticket: &str, accepted: Option<&ModelReply>) {
        self.inner.judged(ticket, accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(pairs: &[(&str, &str)]) -> Result<Option<Prices>, String> {
        Prices::from_environment(&Environment::from_pairs(pairs.iter().copied())).map_err(|fault| fault.to_string())
    }

    #[test]
    fn prices_come_from_the_environment() {
        let both = prices(&[("LLM_PRICE_PROMPT", "0.4"), ("LLM_PRICE_COMPLETION", " 1.6 "), ("LLM_CURRENCY", "€")]);
        assert_eq!(both, Ok(Some(Prices { prompt: 0.4, completion: 1.6, currency: Some("€".into()) })));
        let one = prices(&[("LLM_PRICE_COMPLETION", "1.6")]);
        assert_eq!(one, Ok(Some(Prices { prompt: 0.0, completion: 1.6, currency: None })));
        assert_eq!(prices(&[("LLM_CURRENCY", "EUR")]), Ok(None));
        for (variable, value, expected) in [
            ("LLM_PRICE_PROMPT", "free", "is `free`, not a price"),
            ("LLM_PRICE_PROMPT", "NaN", "not a price"),
            ("LLM_PRICE_COMPLETION", "-1", "not a price"),
            ("LLM_CURRENCY", "EUR 2", "is not a word"),
        ] {
            let fault = prices(&[(variable, value)]).unwrap_err();
            assert!(fault.starts_with("AG0203") && fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn a_reply_costs_what_its_tokens_do() {
        let prices = prices(&[("LLM_PRICE_PROMPT", "0.4"), ("LLM_PRICE_COMPLETION", "1.6")]).unwrap().unwrap();
        let cost = |prompt_tokens, completion_tokens| {
            prices.cost(&ModelReply { prompt_tokens, completion_tokens, ..ModelReply::default() }).unwrap().get()
        };
        assert_eq!((cost(1_000_000, 0), cost(700, 80), cost(0, 0)), (0.4, 0.000_408, 0.0));
        assert!(cost(u64::MAX, u64::MAX) > 1e12);
    }
}
