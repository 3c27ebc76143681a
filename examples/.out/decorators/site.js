var __runInitializers =
  (this && this.__runInitializers) ||
  function (thisArg, initializers, value) {
    var useValue = arguments.length > 2;
    for (var i = 0; i < initializers.length; i++) {
      value = useValue ? initializers[i].call(thisArg, value) : initializers[i].call(thisArg);
    }
    return useValue ? value : void 0;
  };
var __esDecorate =
  (this && this.__esDecorate) ||
  function (ctor, descriptorIn, decorators, contextIn, initializers, extraInitializers) {
    function accept(f) {
      if (f !== void 0 && typeof f !== 'function') throw new TypeError('Function expected');
      return f;
    }
    var kind = contextIn.kind,
      key = kind === 'getter' ? 'get' : kind === 'setter' ? 'set' : 'value';
    var target = !descriptorIn && ctor ? (contextIn['static'] ? ctor : ctor.prototype) : null;
    var descriptor =
      descriptorIn || (target ? Object.getOwnPropertyDescriptor(target, contextIn.name) : {});
    var _,
      done = false;
    for (var i = decorators.length - 1; i >= 0; i--) {
      var context = {};
      for (var p in contextIn) context[p] = p === 'access' ? {} : contextIn[p];
      for (var p in contextIn.access) context.access[p] = contextIn.access[p];
      context.addInitializer = function (f) {
        if (done) throw new TypeError('Cannot add initializers after decoration has completed');
        extraInitializers.push(accept(f || null));
      };
      var result = (0, decorators[i])(
        kind === 'accessor' ? { get: descriptor.get, set: descriptor.set } : descriptor[key],
        context,
      );
      if (kind === 'accessor') {
        if (result === void 0) continue;
        if (result === null || typeof result !== 'object') throw new TypeError('Object expected');
        if ((_ = accept(result.get))) descriptor.get = _;
        if ((_ = accept(result.set))) descriptor.set = _;
        if ((_ = accept(result.init))) initializers.unshift(_);
      } else if ((_ = accept(result))) {
        if (kind === 'field') initializers.unshift(_);
        else descriptor[key] = _;
      }
    }
    if (target) Object.defineProperty(target, contextIn.name, descriptor);
    done = true;
  };
// The same on methods. No engine runs decorators yet: build it first (tsc, esbuild, Vite).
import { init, isRunning, isTrain } from '@tributary/client-kit';
import { evaluate, train } from '@tributary/client-kit/decorators';
import { accuracy, dataOf, train as trainLocally } from '../softmax/softmax.js';
const { SERVER = 'http://127.0.0.1:8787', NAME = 'site-1', ENROLMENT } = process.env;
let Local = (() => {
  let _instanceExtraInitializers = [];
  let _judge_decorators;
  let _learn_decorators;
  return class Local {
    static {
      const _metadata =
        typeof Symbol === 'function' && Symbol.metadata ? Object.create(null) : void 0;
      _judge_decorators = [evaluate];
      _learn_decorators = [train];
      __esDecorate(
        this,
        null,
        _judge_decorators,
        {
          kind: 'method',
          name: 'judge',
          static: false,
          private: false,
          access: { has: (obj) => 'judge' in obj, get: (obj) => obj.judge },
          metadata: _metadata,
        },
        null,
        _instanceExtraInitializers,
      );
      __esDecorate(
        this,
        null,
        _learn_decorators,
        {
          kind: 'method',
          name: 'learn',
          static: false,
          private: false,
          access: { has: (obj) => 'learn' in obj, get: (obj) => obj.learn },
          metadata: _metadata,
        },
        null,
        _instanceExtraInitializers,
      );
      if (_metadata)
        Object.defineProperty(this, Symbol.metadata, {
          enumerable: true,
          configurable: true,
          writable: true,
          value: _metadata,
        });
    }
    data = (__runInitializers(this, _instanceExtraInitializers), dataOf(NAME));
    async judge(model) {
      return accuracy(model.params, this.data);
    }
    async learn(model) {
      const params = model.params;
      const steps = trainLocally(params, this.data);
      return { params, meta: { NUM_STEPS_CURRENT_ROUND: steps } };
    }
  };
})();
await init({ server: SERVER, name: NAME, enrolment: ENROLMENT });
const local = new Local();
while (await isRunning()) {
  await local.judge();
  if (isTrain()) await local.learn();
}
