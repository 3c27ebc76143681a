import { DXO, MetaKey } from '../../../core/protocol/dxo.ts';
import { HeaderKey } from '../../../core/protocol/shareable.ts';
import type { Shareable } from '../../../core/protocol/shareable.ts';
import { checkedModel } from '../fl-model.ts';
import type { FLModel } from '../fl-model.ts';

const ROUNDS = {
  startRound: HeaderKey.START_ROUND,
  currentRound: HeaderKey.CURRENT_ROUND,
  totalRounds: HeaderKey.NUM_ROUNDS,
} as const;
type Rounds = { -readonly [K in keyof typeof ROUNDS]?: number };

/**
 * An FLModel as a Shareable with a DXO: FLModelUtils.to_shareable. Metrics beside params are those of the model received
 * (`initial_metrics`). Throws as `checkedModel` does, and TypeError without params and metrics.
 */
export const toShareable = (given: FLModel): Shareable => {
  const model = checkedModel(given);
  const { params, metrics, meta = {} } = model;
  if (!params && !metrics) throw new TypeError('an FLModel without params and metrics');
  const initial = metrics && { [MetaKey.INITIAL_METRICS]: metrics };
  const dxo = params
    ? new DXO(model.paramsType === 'DIFF' ? 'WEIGHT_DIFF' : 'WEIGHTS', params, {
        ...initial,
        ...meta,
      })
    : new DXO('METRICS', metrics ?? {}, meta);
  const shareable = dxo.toShareable();
  for (const [field, header] of Object.entries(ROUNDS)) {
    const round = model[field as keyof typeof ROUNDS];
    if (round !== undefined) shareable.setHeader(header, round);
  }
  const type = meta[MetaKey.VALIDATE_TYPE];
  if (type !== undefined) shareable.setHeader(HeaderKey.VALIDATE_TYPE, type);
  return shareable;
};

/** FLModelUtils.from_shareable. Throws TypeError where there is no DXO that an FLModel can be made of. */
export const fromShareable = (shareable: Shareable): FLModel => {
  const rounds: Rounds = {};
  for (const [field, header] of Object.entries(ROUNDS)) {
    const round = shareable.getHeader(header);
    if (typeof round === 'number') rounds[field as keyof typeof ROUNDS] = round;
  }
  const type = shareable.getHeader(HeaderKey.VALIDATE_TYPE);
  const about = type !== undefined && { [MetaKey.VALIDATE_TYPE]: type };
  const name = shareable.getHeader(HeaderKey.SUBMIT_MODEL_NAME);
  if (name !== undefined) {
    return checkedModel({ ...rounds, meta: { ...about, [MetaKey.SUBMIT_MODEL_NAME]: name } });
  }
  const dxo = DXO.fromShareable(shareable);
  const { [MetaKey.INITIAL_METRICS]: initial, ...rest } = dxo.meta;
  const meta = { ...rest, ...about };
  if (dxo.is('METRICS')) return checkedModel({ ...rounds, metrics: dxo.data, meta });
  if (dxo.is('FL_MODEL')) return checkedModel({ ...rounds, meta, ...dxo.data });
  const diff = dxo.is('WEIGHT_DIFF');
  if (!diff && !dxo.is('WEIGHTS')) throw new TypeError(`no FLModel: a DXO of ${dxo.dataKind}`);
  const metrics =
    initial === undefined ? {} : { metrics: initial as NonNullable<FLModel['metrics']> };
  return checkedModel({
    ...rounds,
    meta,
    ...metrics,
    params: dxo.data,
    paramsType: diff ? 'DIFF' : 'FULL',
  });
};
