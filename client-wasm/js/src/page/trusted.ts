/** Script URLs where a page enforces Trusted Types: a policy named `pulsegate`. */

interface Policy {
  createScriptURL(url: string): string;
}
interface Factory {
  createPolicy(name: string, rules: Policy): Policy;
}

let policy: Policy | undefined;

/** `url` in the form a worker constructor takes. */
export function scriptUrl(url: URL): string {
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  if (factory && !policy) {
    policy = factory.createPolicy('pulsegate', {
      createScriptURL(text) {
        // Workers are same-origin anyway; what is not is nothing of ours.
        if (new URL(text).origin !== location.origin) throw new TypeError('not this origin');
        return text;
      },
    });
  }
  return policy ? policy.createScriptURL(url.href) : url.href;
}
