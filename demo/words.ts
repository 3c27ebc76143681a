import { relative } from 'node:path';
import type { DemoOptions } from './options.ts';
import type { Workplace } from './workplace.ts';

/** What the demo is about to do, and what it does not show. */
export const greeting = ({ sites, model, chaos }: DemoOptions): string[] => [
  `Tributary: ${sites} sites train one ${model.toUpperCase()} together; only models travel, images stay.`,
  'All sites run on this one machine, so this shows the mechanics, not the privacy.',
  ...(chaos ? ['Chaos: a site and the server will be killed in mid-round.'] : []),
];

/** Where things lie, and the commands to go on with. */
export const farewell = (place: Workplace, job: string, server: string): string[] => {
  const path = (file: string): string => {
    const near = relative(process.cwd(), file);
    return near.startsWith('..') ? file : near;
  };
  const profile = `--profile ${path(place.profile)}`;
  const { port } = new URL(server);
  const steps = [
    ['start the server again', `npm run dev -- --port ${port} --data ${path(place.server)}`],
    ['inspect', `npx tributary job show ${job} ${profile}`],
    ['', `npx tributary model inspect ${path(place.onnx)}`],
    ['download', `npx tributary job download ${job} global ${profile}`],
    ['join', `npx tributary enrolment create ${profile}`],
    ['', `npx tributary site run --name my-site --data DIR --enrolment TOKEN ${profile}`],
  ] as const;
  return [
    '',
    `The final model: ${path(place.safetensors)} and ${path(place.onnx)}`,
    'The server has been stopped; its state is kept. To go on:',
    ...steps.map(([what, command]) => `  ${what.padEnd(22)}  ${command}`),
  ];
};
