import { join, relative } from 'node:path';
import type { ServerEvent } from '../cli/src/events.ts';
import type { DemoOptions } from './options.ts';
import type { Workplace } from './workplace.ts';

/** A path as short as it can be said from here. */
const near = (file: string): string => {
  const path = relative(process.cwd(), file);
  return path.startsWith('..') ? file : path;
};

/** What the demo is about to do, and what it does not show. */
export const greeting = ({ sites, model, chaos }: DemoOptions): string[] => [
  `Tributary: ${sites} sites train one ${model.toUpperCase()} together; only models travel, images stay.`,
  'All sites run on this one machine, so this shows the mechanics, not the privacy.',
  ...(chaos ? ['Chaos: a site and the server will be killed in mid-round.'] : []),
];

/** How a browser takes part, and where the job is to be seen. */
export const invitation = (
  { join: waits }: DemoOptions,
  link: string,
  job: string,
  { server }: Workplace,
): string[] => [
  ...(waits
    ? ['  waiting for a tab of a browser: open this link and say yes', `    ${link}`]
    : [
        '  a browser can join too, for what is left of the job (--join waits for it):',
        `    ${link}`,
      ]),
  `  watch the job: ${job}, with the ADMIN_TOKEN of ${near(join(server, 'keys.json'))}`,
];

/** The site that an event of the job says has joined. */
export const joinedOf = ({ event, data }: ServerEvent): string | null => {
  if (event !== 'log') return null;
  const { type, site } = JSON.parse(data) as { readonly type?: string; readonly site?: string };
  return type === 'joined' ? (site ?? null) : null;
};

/** Where things lie, and the commands to go on with. */
export const farewell = (place: Workplace, job: string, server: string): string[] => {
  const profile = `--profile ${near(place.profile)}`;
  const { port } = new URL(server);
  const steps = [
    ['start the server again', `npm run dev -- --port ${port} --data ${near(place.server)}`],
    ['inspect', `npx tributary job show ${job} ${profile}`],
    ['', `npx tributary model inspect ${near(place.onnx)}`],
    ['download', `npx tributary job download ${job} global ${profile}`],
    ['join', `npx tributary enrolment create ${profile}`],
    ['', `npx tributary site run --name my-site --data DIR --enrolment TOKEN ${profile}`],
  ] as const;
  return [
    '',
    `The final model: ${near(place.safetensors)} and ${near(place.onnx)}`,
    'The server has been stopped; its state is kept. To go on:',
    ...steps.map(([what, command]) => `  ${what.padEnd(22)}  ${command}`),
  ];
};
