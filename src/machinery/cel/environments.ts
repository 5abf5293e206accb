/** The environments that Kubernetes starts from. */
import { Environment } from './environment.ts';
import { authorizerLibrary } from './library/authorizer.ts';
import { twoVariableLibrary } from './library/comprehensions.ts';
import { kubernetesLists, listsExtension } from './library/lists.ts';
import { formatLibrary } from './library/namedformats.ts';
import { netLibrary } from './library/net.ts';
import { optionalLibrary } from './library/optionals.ts';
import { quantityLibrary } from './library/quantity.ts';
import { regexLibrary } from './library/regexlib.ts';
import { semverLibrary } from './library/semver.ts';
import { setsLibrary } from './library/sets.ts';
import { standardLibrary } from './library/standard.ts';
import { stringsLibrary } from './library/strings.ts';
import { urlLibrary } from './library/url.ts';

/** The language alone, with nothing added. */
export const standardEnvironment = new Environment({ libraries: [standardLibrary], mixedLiterals: true });

/** What every expression of Kubernetes 1.36 may use; variables and types are for the caller to add. */
export const kubernetesEnvironment = new Environment({
  libraries: [
    standardLibrary,
    kubernetesLists,
    regexLibrary,
    optionalLibrary,
    stringsLibrary,
    setsLibrary,
    twoVariableLibrary,
    listsExtension,
    urlLibrary,
    netLibrary,
    quantityLibrary,
    semverLibrary,
    formatLibrary,
    authorizerLibrary,
  ],
});
