/**
 * What a provider's error says by its code or its words, whichever it has.
 * These are read, and never passed on.
 */
export const said = {
  tooLong:
    /context[ _](length|window|size)|maximum (context|prompt)|(prompt|input) is too long|too many (input )?tokens(?!,? (please wait|per (minute|day)))|input token count|reduce the length|range of input length|context limit|(exceed\w*|input|prompt)( the| this| your)?( model)?('s)? token limit|exceeds? the (maximum|available) (number of )?(context|tokens)/i,
  /** What the model wrote is no call or JSON that the provider could read: it may write better the next time. */
  written: /code\\?"\s*:\s*\\?"(tool_use_failed|output_parse_failed|json_validate_failed)\b/i,
  /** The model is not there, or does not take what was sent: pictures, tools. */
  model:
    /model_?not_?found|model not exist|invalid_model|not a valid model|model identifier is invalid|model( \S{1,200})? (does not exist|was not found|not found|is not supported)|(does not|doesn't|not) support (image|vision|audio|tool|function|file|pdf|multimodal)|not a multimodal model|at most 0 (image|audio|video)|only supported by certain models|unknown variant `(image_url|input_audio|file)`/i,
  policy:
    /content_?policy|content_?filter|content management policy|data_?inspection_?failed|responsible ?ai|blocked by (the )?safety/i,
  key:
    /invalid_?api_?key|api_key_invalid|api key not valid|incorrect api key|authentication_error|unauthenticated|unrecognizedclient|invalidsignature|security token|invalid_?token/i,
  quota:
    /insufficient_quota|exceeded[ _](your[ _])?current[ _]quota|billing_hard_limit|arrearage|blocked_api_access|spend(ing)? limit|used all available credits|(credit )?balance is (too low|insufficient|not enough)|servicequotaexceeded/i,
  permission: /permission_(error|denied)|accessdenied|access_denied|not_?authorized/i,
  rate:
    /rate[_ ]?limit|limit_requests|limit_burst_rate|throttl|too many tokens,? (please wait|per (minute|day))|resource_exhausted|too[_ ]many[_ ]requests/i,
  request: /invalid_request|invalid_argument|validationexception|bad_request/i
} as const
