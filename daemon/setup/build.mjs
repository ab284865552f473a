// npm run build: everything that a checkout needs, without running it.

import { setUpOrExit } from './set-up.mjs';

setUpOrExit();
