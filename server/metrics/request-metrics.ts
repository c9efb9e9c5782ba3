/**
 * @module
 * Owns what is counted about requests: by route, method and class of status, never by anything a client chooses, so that the number
 * of series is bounded by the number of routes. SPEC.md OB1.
 */
import { formatLabels, header, Histogram } from './histogram.ts';

/** Index = first digit of the status; 0 for answers that the client did not wait for. */
const CLASSES = ['aborted', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

export class RouteMetrics {
  readonly method: string;
  readonly route: string;
  readonly #byClass: (Histogram | undefined)[] = Array.from(CLASSES, () => undefined);

  constructor(method: string, route: string) {
    this.method = method;
    this.route = route;
  }

  /** @param status - 0 when the connection ended before the answer. */
  observe(status: number, seconds: number): void {
    const index = Math.min(Math.trunc(status / 100), CLASSES.length - 1);
    (this.#byClass[index] ??= new Histogram()).observe(seconds);
  }

  lines(name: string): string[] {
    const { method, route } = this;
    return this.#byClass.flatMap(
      (histogram, index) => histogram?.lines(name, { route, method, status: CLASSES[index]! }) ?? [],
    );
  }
}

/** Why a request was turned away before its route. */
export type Refusal = 'unauthorized' | 'forbidden' | 'rate' | 'overload';

export class RequestMetrics {
  readonly #routes: RouteMetrics[] = [];
  /** Of paths that lead nowhere. */
  readonly unrouted: RouteMetrics = this.add('other', 'none');
  readonly refused: Record<Refusal, number> = { unauthorized: 0, forbidden: 0, rate: 0, overload: 0 };

  /** Called once per route, when it is registered. */
  add(method: string, route: string): RouteMetrics {
    const metrics = new RouteMetrics(method, route);
    this.#routes.push(metrics);
    return metrics;
  }

  expose(): string {
    const duration = 'atoll_http_request_duration_seconds';
    const refused = 'atoll_http_requests_refused_total';
    return [
      ...header(duration, 'histogram', 'Time from the head of a request to the end of its answer.'),
      ...this.#routes.flatMap((route) => route.lines(duration)),
      ...header(refused, 'counter', 'Requests turned away before their route, by reason.'),
      ...Object.entries(this.refused).map(([reason, count]) => `${refused}{${formatLabels({ reason })}} ${count}`),
      '',
    ].join('\n');
  }
}
