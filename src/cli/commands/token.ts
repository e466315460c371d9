import { realSystem } from '../../client/system.ts';
import { type Flags, noWords, readFlags, readInteger, UsageError } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import { printLine } from '../output.ts';

const MINUTES_DEFAULT = 60;
const MINUTES_MAX = 366 * 24 * 60;

const FLAGS = {
  user: { type: 'string', value: 'USER', help: 'whom it is for' },
  'jwt-key': { type: 'string', value: 'FILE', help: 'the key to sign with (CARILLON_JWT_KEY)' },
  'jwt-issuer': { type: 'string', value: 'TEXT', help: 'its `iss` (CARILLON_JWT_ISSUER)' },
  'jwt-audience': { type: 'string', value: 'TEXT', help: 'its `aud` (CARILLON_JWT_AUDIENCE)' },
  minutes: { type: 'string', value: 'N', help: `how long it is good for (${MINUTES_DEFAULT})` },
  json: { type: 'boolean', help: 'as {"user","token","expires"}, for scripts' },
} as const satisfies Flags;

export const token: Command = {
  name: 'token',
  usage: 'token --user USER',
  summary: 'Prints a JWT for trying a server out that runs with CARILLON_AUTH=jwt.',
  help: flagSection(FLAGS),
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    noWords(words);
    if (flags.user === undefined) throw new UsageError('say whom it is for: --user USER');
    const minutes = readInteger('minutes', flags.minutes, 1, MINUTES_MAX) ?? MINUTES_DEFAULT;
    const now = realSystem.now();
    const wanted = {
      user: flags.user,
      keyFile: setting('jwt-key', flags['jwt-key']),
      issuer: setting('jwt-issuer', flags['jwt-issuer']),
      audience: setting('jwt-audience', flags['jwt-audience']),
      lifetimeSeconds: minutes * 60,
      now,
    };
    const { signTryoutToken } = await import('../../edge/auth/tryout-token.ts');
    const jwt = await signTryoutToken(wanted);
    const expires = new Date(now + minutes * 60_000).toISOString();
    await printLine(flags.json ? JSON.stringify({ user: flags.user, token: jwt, expires }) : jwt);
    return 0;
  },
};

/** As the server has it: from the flag, else from the variable of the same name. */
function setting(name: string, given: string | undefined): string {
  const variable = `CARILLON_${name.toUpperCase().replaceAll('-', '_')}`;
  const value = given ?? process.env[variable];
  if (value) return value;
  throw new UsageError(`--${name} or ${variable} is missing: give what the server has`);
}
